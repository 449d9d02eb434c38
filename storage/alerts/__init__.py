"""Alerts of an inbox: rows only; the fan-out is `storage.notifications`."""
