"""Delivery: from a received message to the commit; knows no SMTP command."""
