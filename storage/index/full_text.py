"""The full-text index, of whichever engine the store has.

- Words are made here, never by an engine: `storage.index.words`.
- Each message has scopes: the inboxes that got a copy, the lists by which it came, whether it has
  attachments. Every query names its inbox, so an inbox of ten messages costs no more in a large
  store.
- The engines' differences are in `storage.index.sqlite_fts` and `storage.index.postgres_fts`, which
  have the same functions.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from storage.database import Params, Row, Tx
from storage.index import postgres_fts, sqlite_fts
from storage.index.query import Term
from storage.index.words import Entry
from storage.sql import in_list, padded

ATTACHMENT = "attachment"

_ENGINES = {"sqlite": sqlite_fts, "postgres": postgres_fts}


def engine_of(tx: Tx) -> ModuleType:
    """Return the module of this engine's index."""
    return _ENGINES[tx.dialect["engine"]]


async def index(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add messages: id, scopes (see `scopes_of`), packed words. None of them is indexed already."""
    if entries:
        await engine_of(tx).index(tx, entries)


async def index_in_order(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add messages of another store, in the order of their ids, all above those there are."""
    await engine_of(tx).index_in_order(tx, entries)


async def entries_after(tx: Tx, *, message_id: bytes, limit: int) -> list[Entry]:
    """Return the next messages of the index, as `index` takes them, in the order of their ids."""
    found: list[Entry] = await engine_of(tx).entries_after(tx, message_id, limit)
    return found


async def last_entry(tx: Tx) -> bytes:
    """Return the newest message of the index; b"" when there is none."""
    row = await tx.fetch_one(
        "SELECT message_id FROM search_documents ORDER BY message_id DESC LIMIT 1"
    )
    return bytes(row["message_id"]) if row else b""


async def forget(tx: Tx, *, message_id: bytes) -> None:
    """Remove a message from the index; no effect when it is not indexed."""
    await engine_of(tx).forget(tx, message_id)


def scanned_text(row: Row) -> dict[str, str]:
    """Return the texts that the header scan gives for the fields of the index."""
    recipients = json.loads(bytes(row["recipients"]))
    named = [*recipients.get("to", ()), *recipients.get("cc", ())]
    return {
        "sender": f"{row['from_name']} {row['from_email']}",
        "recipient": " ".join(f"{name} {email}" for name, email in named),
        "subject": row["subject"],
    }


async def matching(
    tx: Tx, *, message_ids: Sequence[bytes], scopes: Sequence[str], terms: Sequence[Term]
) -> set[bytes]:
    """Return those of a few messages that have all scopes and terms, of whatever inbox."""
    if not message_ids:
        return set()
    found: set[bytes] = await engine_of(tx).matching(tx, message_ids, scopes, terms)
    return found


async def scopes_of(tx: Tx, *, message_id: bytes, has_attachments: bool) -> list[str]:
    """Return the scopes of a message: its inboxes, its lists, its attachments."""
    with_files = [message_id] if has_attachments else []
    return scopes_in(await tx.fetch_each(scope_queries([message_id])), with_files)[message_id]


def scope_queries(message_ids: Sequence[bytes]) -> list[tuple[str, Params]]:
    """The queries whose answers `scopes_in` takes; for a few messages."""
    chosen, names = in_list(padded(message_ids))
    return [(statement.format(chosen), names) for statement in _SCOPES]


def scopes_in(
    answers: Sequence[Sequence[Row]], with_files: Iterable[bytes]
) -> Mapping[bytes, list[str]]:
    """The scopes of each message; `with_files` are those that have attachments."""
    inboxes, lists = answers
    scopes: defaultdict[bytes, list[str]] = defaultdict(list)
    for row in inboxes:
        scopes[bytes(row["message_id"])].append(inbox_scope(bytes(row["inbox_id"])))
    for row in lists:
        scopes[bytes(row["message_id"])].append(list_scope(bytes(row["list_id"])))
    for message_id in with_files:
        scopes[message_id].append(ATTACHMENT)
    return scopes


_SCOPES = (
    "SELECT message_id, inbox_id FROM copies WHERE message_id IN ({})",
    """
    SELECT DISTINCT message_id, list_id FROM routes
    WHERE message_id IN ({}) AND list_id IS NOT NULL
    """,
)


def inbox_scope(inbox_id: bytes) -> str:
    """Return the scope of the copies of an inbox."""
    return f"i{inbox_id.hex()}"


def list_scope(list_id: bytes) -> str:
    """Return the scope of the mail of a list."""
    return f"l{list_id.hex()}"
