"""PEBench-Synthetic: the benchmark that is drawn on the spot, so that everything runs with no download."""
