"""Outgoing webhook calls: targets, signatures, an HTTP client of our own, the job."""
