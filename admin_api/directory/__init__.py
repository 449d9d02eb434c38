"""Domains, inboxes, lists, delivery reports."""
