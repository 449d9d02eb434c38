"""Alerts, their webhooks and deliveries."""
