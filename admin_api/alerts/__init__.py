"""API of alerts, their webhooks and deliveries."""
