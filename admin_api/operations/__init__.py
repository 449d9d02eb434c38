"""Health, metrics, docs page."""
