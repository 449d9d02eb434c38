"""The one transaction that stores a message."""
