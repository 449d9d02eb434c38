"""Sessions of programs and sessions of the page, and the client that made each."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m020_session_kinds(tx: Tx) -> None:
    """All sessions so far are of the API; their clients are not known."""
    await run_schema(tx, _COLUMNS)


_COLUMNS = """
ALTER TABLE sessions ADD COLUMN kind {text} NOT NULL DEFAULT 'api';
ALTER TABLE sessions ADD COLUMN user_agent {text} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address {text}
"""
