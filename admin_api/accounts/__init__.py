"""Sign-in, users, tokens, audit log."""
