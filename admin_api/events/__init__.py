"""Event catalogue, list, live stream."""
