"""Sharing of contact cards between inboxes: offers, requests, handoff, activity."""
