"""The parser, its process, and what becomes of its results."""
