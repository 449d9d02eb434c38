"""The copy index: the copies of an inbox by folder, in the order of messages.

- A message to a list of fifty is inserted in fifty places of such an order. Written immediately,
  these were two thirds of all pages of a commit. So the embedded engine adds some thousand copies
  at a time: `filed_copies` holds the copies of all messages up to the one named in `filing`; copies
  of newer messages are in `copies` alone, few enough to be scanned.
- Copies that are not filed are newer than all filed ones: a reader of the newest scans those first,
  then reads the filed ones.
- A filed copy is a whole row of `copies`; triggers keep it in step when that row is changed or
  deleted.
- New copies are unread, all of them: an index of the unread ones would cost as much as the filing.
  So `unread_blocks` counts those of an inbox and folder that were filed at once; `filings` has the
  range of messages of each time. Triggers count what is marked, moved and deleted; a block without
  unread copies is gone. A look for unread copies reads these ranges alone.
- Filing happens within the delivery that makes it due: 6 ms for copies in 50 inboxes, 30 ms for
  copies in 4,000 of a store of a million copies. Its copies are not sorted before: that would cost
  a third as much again, and save 3 to 6 % where they lie far apart.
- PostgreSQL has indexes in these orders instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storage.database import Params, Row, Tx

# More would make each reading scan longer, fewer would spread the filing over more pages.
_MOST_UNFILED = 4000

_COLUMNS = "inbox_id, message_id, folder, is_read, is_flagged, route"
_FILED_TO = "(SELECT message_id FROM filing)"
_ABOVE = f"(SELECT {_COLUMNS} FROM copies WHERE message_id > {{}})"
_UNFILED = _ABOVE.format(_FILED_TO)


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM clause of copies, which its text is; one that `is_short` is scanned, by no index."""

    sql: str
    in_blocks: bool = False
    is_short: bool = False

    def __str__(self) -> str:
        return self.sql

    def newest_first(self, alias: str) -> str:
        """The ORDER BY for one inbox and folder by which nothing is sorted."""
        block = f"{alias}.last DESC, " if self.in_blocks else ""
        return f"{block}{alias}.message_id DESC"


def from_clauses(tx: Tx, *, above: str | None = None) -> Sequence[Source]:
    """Return the FROM clauses for the copies of one inbox or folder; the first has the newest.

    A query for copies above an id should name the parameter of that id here too.
    """
    if not _files(tx):
        return (Source("copies"),)
    unfiled = _UNFILED if above is None else _ABOVE.format(f"MAX({_FILED_TO}, :{above})")
    return Source(unfiled, is_short=True), Source("filed_copies")


def unread_clauses(tx: Tx, *, below: str | None = None) -> Sequence[Source]:
    """Return the FROM clauses for a query that asks for unread copies of one inbox and folder.

    A query for copies below an id should name the parameter of that id here too.
    """
    if not _files(tx):
        return (Source("copies"),)
    newer = f"AND b.above < :{below}" if below else ""
    filed = Source(_FILED_UNREAD.format(newer), in_blocks=True)
    return Source(_UNFILED, is_short=True), filed


async def fetch_newest(
    tx: Tx,
    statement: Callable[[Source], str],
    params: Params,
    *,
    limit: int,
    sources: Sequence[Source] | None = None,
) -> list[Row]:
    """Return at most `limit` rows of a query on these sources, newest message first.

    The statement must give the newest itself, and no more than its parameter `:limit` says.
    """
    rows: list[Row] = []
    for source in sources or from_clauses(tx):
        if len(rows) < limit:
            left = {**params, "limit": limit - len(rows)}
            rows += await tx.fetch_all(statement(source), left)
    return rows


async def index_new_copies(tx: Tx, added: int) -> None:
    """Count the rows just added to `copies`; once there are many, file all that are not filed."""
    if not added or not _files(tx):
        return
    if not await tx.execute(_COUNT, {"added": added, "most": _MOST_UNFILED}):
        for statement in _FILING:
            await tx.execute(statement)


async def index_late_copies(tx: Tx, *, message_id: bytes, added: int) -> None:
    """File the copies just added of a message that is there already, if it was filed.

    They are read: unread ones are counted by the block of their filing.
    """
    if not _files(tx):
        return
    if not await tx.execute(_FILE_LATE, {"message_id": message_id}):
        await index_new_copies(tx, added)


async def index_all_copies(tx: Tx) -> None:
    """File all copies anew, and count the unread ones by every thousandth message."""
    if _files(tx):
        for statement in _ALL:
            await tx.execute(statement)


def judgements(tx: Tx) -> Mapping[str, str]:
    """Return the checks of the filed copies: each fault, and a query for the messages with it."""
    return _JUDGEMENTS if _files(tx) else {}


def _files(tx: Tx) -> bool:
    return tx.dialect["engine"] == "sqlite"


_FILED_UNREAD = """(
    SELECT b.inbox_id, b.folder, b.last, f.message_id, f.is_read, f.is_flagged, f.route
    FROM unread_blocks b CROSS JOIN filed_copies f
    WHERE f.inbox_id = b.inbox_id AND f.folder = b.folder
      AND f.message_id > b.above AND f.message_id <= b.last AND f.is_read = 0 {})"""
_COUNT = """
    UPDATE store_state SET value = value + :added
    WHERE name = 'unfiled' AND value + :added < :most
"""
# In this order: the second needs `filing` as it was, the third the range that the second added.
_FILING = (
    f"""
    INSERT OR REPLACE INTO filed_copies ({_COLUMNS})
    SELECT {_COLUMNS} FROM {_UNFILED}
    """,
    """
    INSERT OR REPLACE INTO filings (last, above)
    SELECT (SELECT MAX(message_id) FROM copies), message_id FROM filing
    """,
    f"""
    INSERT OR REPLACE INTO unread_blocks (inbox_id, folder, last, above, unread)
    SELECT d.inbox_id, d.folder, g.last, g.above,
           (SELECT COUNT(*) FROM filed_copies f
            WHERE f.inbox_id = d.inbox_id AND f.folder = d.folder AND f.message_id > g.above
              AND f.is_read = 0)
    FROM (SELECT last, above FROM filings ORDER BY last DESC LIMIT 1) g
    CROSS JOIN (SELECT DISTINCT inbox_id, folder FROM {_UNFILED} WHERE is_read = 0) d
    """,
    "UPDATE filing SET message_id = (SELECT MAX(message_id) FROM copies)",
    "UPDATE store_state SET value = 0 WHERE name = 'unfiled'",
)
_ALL = (
    "DELETE FROM filed_copies",
    "DELETE FROM filings",
    "DELETE FROM unread_blocks",
    f"""
    INSERT INTO filed_copies ({_COLUMNS})
    SELECT {_COLUMNS} FROM copies ORDER BY inbox_id, folder, message_id
    """,
    "INSERT OR IGNORE INTO filing (only, message_id) VALUES (1, x'')",
    "UPDATE filing SET message_id = (SELECT COALESCE(MAX(message_id), x'') FROM copies)",
    """
    INSERT INTO filings (last, above)
    SELECT last, LAG(last, 1, x'') OVER (ORDER BY last) FROM (
        SELECT m.message_id AS last FROM (
            SELECT message_id, ROW_NUMBER() OVER (ORDER BY message_id) AS place FROM messages) m
        WHERE m.place % 1000 = 0 AND m.message_id < (SELECT message_id FROM filing)
        UNION SELECT message_id FROM filing WHERE message_id <> x'')
    """,
    """
    INSERT INTO unread_blocks (inbox_id, folder, last, above, unread)
    SELECT c.inbox_id, c.folder, g.last, g.above, COUNT(*)
    FROM filed_copies c CROSS JOIN filings g
    WHERE c.is_read = 0
      AND g.last = (SELECT MIN(f.last) FROM filings f WHERE f.last >= c.message_id)
    GROUP BY c.inbox_id, c.folder, g.last
    """,
    "UPDATE store_state SET value = 0 WHERE name = 'unfiled'",
)
_FILE_LATE = f"""
    INSERT OR IGNORE INTO filed_copies ({_COLUMNS})
    SELECT {_COLUMNS} FROM copies WHERE message_id = :message_id AND message_id <= {_FILED_TO}
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
    "the unread copies are counted wrong": """
        WITH counted AS (
            SELECT f.inbox_id, f.folder, COUNT(*) AS unread, MAX(f.message_id) AS message_id,
                   (SELECT MIN(g.last) FROM filings g WHERE g.last >= f.message_id) AS last
            FROM filed_copies f WHERE f.is_read = 0 GROUP BY f.inbox_id, f.folder, last)
        SELECT c.message_id FROM counted c
        WHERE NOT EXISTS (
            SELECT 1 FROM unread_blocks b
            WHERE b.inbox_id = c.inbox_id AND b.folder = c.folder AND b.last = c.last
              AND b.unread = c.unread)
        UNION SELECT b.last FROM unread_blocks b
        WHERE NOT EXISTS (
            SELECT 1 FROM counted c
            WHERE c.inbox_id = b.inbox_id AND c.folder = b.folder AND c.last = b.last)
    """,
}
