"""One training: what a command asks for becomes a checkpoint."""
