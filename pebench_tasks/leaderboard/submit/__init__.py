"""A submission, written from results."""
