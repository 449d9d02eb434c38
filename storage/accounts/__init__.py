"""Tenants, people, credentials, and what calls leave behind (audit log, idempotency keys)."""
