"""Outgoing webhook calls."""
