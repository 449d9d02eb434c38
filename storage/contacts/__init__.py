"""Contacts of an inbox: cards and relationships."""
