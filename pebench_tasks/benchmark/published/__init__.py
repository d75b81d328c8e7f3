"""Reads a copy of the published images, whose table's columns nobody has documented, into a benchmark folder."""
