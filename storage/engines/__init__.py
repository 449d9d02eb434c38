"""How the store is opened, written by one and made durable; only here are drivers imported."""
