"""Leases on routes that processes remember, on PostgreSQL; knows no mail and no cache."""
