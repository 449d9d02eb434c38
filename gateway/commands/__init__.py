"""Commands that need the mail side."""
