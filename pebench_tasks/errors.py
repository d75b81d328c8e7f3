"""The one error that users meet: it says what is wrong and what to do."""


class BenchmarkError(Exception):
    """Wrong or missing input; commands print it as one line on standard error and exit with code 1."""
