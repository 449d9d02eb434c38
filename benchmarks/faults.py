"""A reason to stop measuring: something is missing, or the server did not keep its promise."""


class BenchmarkFault(Exception):
    """A figure cannot be taken; the text says why, in words fit for the person at the terminal."""
