"""From an event to a webhook call or a task."""
