"""Wiring and lifetime."""
