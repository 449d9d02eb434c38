"""Messages, attachments, waiting."""
