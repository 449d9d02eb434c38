"""Pure functions on a message's header; no socket, no store."""
