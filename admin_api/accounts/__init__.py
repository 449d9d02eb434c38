"""API of accounts: sign-in, users, tokens, audit log."""
