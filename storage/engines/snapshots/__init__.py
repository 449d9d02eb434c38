"""Stores read as a whole: read-only opening, page checks and snapshots for backups, by engine."""
