"""From samples to the tensors of a model and back: encoding, batches, forward passes, parts to train."""
