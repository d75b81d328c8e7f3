"""The questions and the marking: tasks, documents, scores and the harness model of PEBench."""

__version__ = "0.1.0"
