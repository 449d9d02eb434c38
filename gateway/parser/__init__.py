"""The MIME parser: its process, and the pure functions that run in it; no store, no socket."""
