"""The full parser: its process, and the pure functions that run in it."""
