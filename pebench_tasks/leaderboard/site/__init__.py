"""The static site of a board."""
