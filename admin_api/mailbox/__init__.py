"""API of an inbox's mail: messages, attachments, waiting for a message."""
