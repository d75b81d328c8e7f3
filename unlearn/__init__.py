"""Training and unlearning: checkpoint in, checkpoint out."""
