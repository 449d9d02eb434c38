"""The copy index: the copies of an inbox by folder, in the order of messages.

- A message to a list of fifty is inserted in fifty places of such an order. Written immediately,
  these were two thirds of all pages of a commit. So the embedded engine adds some thousand copies
  at a time: `filed_copies` holds the copies of all messages up to the one named in `filing`; copies
  of newer messages are in `copies` alone, few enough to be scanned.
- Copies that are not filed are newer than all filed ones: a reader of the newest scans those first,
  then reads the filed ones.
- A filed copy is a whole row of `copies`; triggers keep it in step when that row is changed or
  deleted.
- Filing happens within the delivery that makes it due: 6 ms for copies in 50 inboxes, 30 ms for
  copies in 4,000 of a store of a million copies.
- PostgreSQL has an index in this order instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from storage.database import Params, Row, Tx

_MOST_UNFILED = 4000

_COLUMNS = "inbox_id, message_id, folder, is_read, is_flagged, route"
_FILED_TO = "(SELECT message_id FROM filing)"
_ABOVE = f"(SELECT {_COLUMNS} FROM copies WHERE message_id > {{}})"
_UNFILED = _ABOVE.format(_FILED_TO)


def from_clauses(tx: Tx, *, above: str | None = None) -> Sequence[str]:
    """Return the FROM clauses for the copies of one inbox or folder; the first has the newest.

    A query for copies above an id should name the parameter of that id here too.
    """
    if not _files(tx):
        return ("copies",)
    unfiled = _UNFILED if above is None else _ABOVE.format(f"MAX({_FILED_TO}, :{above})")
    return unfiled, "filed_copies"


async def fetch_newest(
    tx: Tx, statement: Callable[[str], str], params: Params, *, limit: int
) -> list[Row]:
    """Return at most `limit` rows of a query on these sources, newest message first.

    The statement must give the newest itself, and no more than its parameter `:limit` says.
    """
    rows: list[Row] = []
    for source in from_clauses(tx):
        if len(rows) < limit:
            left = {**params, "limit": limit - len(rows)}
            rows += await tx.fetch_all(statement(source), left)
    return rows


async def index_new_copies(tx: Tx, added: int) -> None:
    """Count the rows just added to `copies`; once there are many, file all that are not filed."""
    if not added or not _files(tx):
        return
    await tx.execute(_COUNT, {"added": added})
    row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'unfiled'")
    if row is not None and row["value"] >= _MOST_UNFILED:
        await tx.execute(_FILE)
        await tx.execute("UPDATE filing SET message_id = (SELECT MAX(message_id) FROM copies)")
        await tx.execute("UPDATE store_state SET value = 0 WHERE name = 'unfiled'")


def judgements(tx: Tx) -> Mapping[str, str]:
    """Return the checks of the filed copies: each fault, and a query for the messages with it."""
    return _JUDGEMENTS if _files(tx) else {}


def _files(tx: Tx) -> bool:
    return tx.dialect["engine"] == "sqlite"


_COUNT = "UPDATE store_state SET value = value + :added WHERE name = 'unfiled'"
_FILE = f"""
    INSERT OR REPLACE INTO filed_copies ({_COLUMNS})
    SELECT {_COLUMNS} FROM {_UNFILED} ORDER BY inbox_id, folder, message_id
"""
_JUDGEMENTS = {
    "it is not on record what is filed": """
        SELECT DISTINCT message_id FROM copies WHERE NOT EXISTS (SELECT 1 FROM filing)
    """,
    "a copy is not filed as it is": """
        SELECT DISTINCT c.message_id FROM copies c
        WHERE c.message_id <= (SELECT message_id FROM filing) AND NOT EXISTS (
            SELECT 1 FROM filed_copies f
            WHERE f.inbox_id = c.inbox_id AND f.folder = c.folder AND f.message_id = c.message_id
              AND f.is_read = c.is_read AND f.is_flagged = c.is_flagged AND f.route = c.route)
    """,
    "what is filed is no copy": """
        SELECT DISTINCT f.message_id FROM filed_copies f
        WHERE NOT EXISTS (
            SELECT 1 FROM copies c
            WHERE c.message_id = f.message_id AND c.inbox_id = f.inbox_id AND c.folder = f.folder
              AND c.message_id <= (SELECT message_id FROM filing))
    """,
}
