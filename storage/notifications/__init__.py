"""Notifications: from an event to a webhook call or a task; calls nothing itself."""
