"""Upkeep of the store: retention, removal of inboxes, integrity check, gauges."""
