"""A submission, read safely."""
