"""Tenants, users, credentials, and the records of calls (audit log, idempotency keys)."""
