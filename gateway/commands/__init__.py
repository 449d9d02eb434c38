"""Commands that need the mail side: serve, demo, ready, send, resolve, retention."""
