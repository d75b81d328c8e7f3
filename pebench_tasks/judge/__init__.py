"""The judge: a language model that marks scene descriptions."""
