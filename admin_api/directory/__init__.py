"""API of addresses: domains, inboxes, lists, delivery reports."""
