"""One run: what is asked of which checkpoints, and with which choices."""
