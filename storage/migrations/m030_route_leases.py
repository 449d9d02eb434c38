"""Leases of processes that remember routes, and the number of the present routes."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m030_route_leases(tx: Tx) -> None:
    """Make room for them; SQLite has a file beside the store for it, and no row here."""
    await run_schema(tx, _LEASES)


# `generation`: all routes of before it were dropped.
_LEASES = """
CREATE TABLE route_leases (
    holder {bytes} PRIMARY KEY,
    generation {int64} NOT NULL
);
INSERT INTO store_state (name, value) VALUES ('routes', 0)
"""
