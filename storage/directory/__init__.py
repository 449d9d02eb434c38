"""The recipient directory: domains, inboxes and lists, and where mail for an address goes."""
