"""Wiring, lifetime and the HTTP server of a process."""
