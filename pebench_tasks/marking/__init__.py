"""A text in, a mark out: what every figure counts. Knows no torch, no lmms-eval and no files."""
