"""A submission's figures, computed again from its samples."""
