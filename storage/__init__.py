"""The message store: rows, invariants and SQL; it knows neither SMTP nor HTTP."""
