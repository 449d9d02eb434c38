"""The message store: rows, invariants, SQL. Knows no SMTP reply, no HTTP status, no scope."""
