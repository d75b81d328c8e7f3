"""One checkpoint answers many questions fast: the model that the harness loads as ``pebench_hf``."""
