"""The benchmark folder: read, written, drawn, and read from published images."""
