"""API of events: catalogue, list, live stream."""
