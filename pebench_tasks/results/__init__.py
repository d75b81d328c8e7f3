"""What lmms-eval wrote: results and samples files, figures computed again, intervals and comparisons."""
