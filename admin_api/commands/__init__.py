"""The operator's commands, one module a noun; each opens the store and works beside a server."""
