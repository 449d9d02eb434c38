"""Read state that members of a list share: who of them has read a message.

- A list shares it if its `share_read_state` is set. Then members whose copies came by that list see
  which others of them have read theirs; it is null for a message that came otherwise.
- Nothing of other ways counts or shows: a blind copy, mail to the inbox itself, another list.
- Of very many readers the first hundred by address are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.index.ways_in import came_by
from storage.sql import chunks, in_list

MOST_SHOWN = 100
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reader:
    """An inbox that has read its copy."""

    inbox_id: bytes
    address: str


Readers = Mapping[bytes, tuple[Reader, ...]]


async def readers_of(tx: Tx, *, inbox_id: bytes, message_ids: Sequence[bytes]) -> Readers:
    """Map each message whose read state is shared with this inbox to the others who read it."""
    found: dict[bytes, list[Reader]] = {}
    for some in chunks(message_ids, _AT_ONCE):
        chosen, names = in_list(some)
        params = {"viewer": inbox_id, **names}
        for row in await tx.fetch_all(_SHARED.format(chosen), params):
            found[bytes(row["message_id"])] = []
        if found:
            for row in await tx.fetch_all(_READ.format(chosen), params):
                reader = Reader(bytes(row["inbox_id"]), row["address"])
                found[bytes(row["message_id"])].append(reader)
    return {message_id: tuple(readers) for message_id, readers in found.items()}


# The lists by which the viewer has each message, of those that share and that it is still on.
_SHARED = f"""
    SELECT DISTINCT own.message_id, l.list_id
    FROM copies own
    JOIN routes r ON r.message_id = own.message_id
    JOIN lists l ON l.list_id = r.list_id AND l.share_read_state = 1
    JOIN list_members o ON o.list_id = l.list_id AND o.inbox_id = own.inbox_id
    WHERE own.inbox_id = :viewer AND own.message_id IN ({{}}) AND {came_by("own")}
"""
# DISTINCT before the numbering: a reader on two lists is one of the hundred, not two.
_READ = f"""
    SELECT p.message_id, p.inbox_id, p.address FROM (
        SELECT n.message_id, n.inbox_id, n.address,
               ROW_NUMBER() OVER (PARTITION BY n.message_id ORDER BY n.address) AS place
        FROM (
            SELECT DISTINCT s.message_id, i.inbox_id, i.address
            FROM ({_SHARED}) s
            JOIN routes q ON q.message_id = s.message_id AND q.list_id = s.list_id
            JOIN copies t ON t.message_id = s.message_id AND t.is_read = 1
            JOIN list_members k ON k.list_id = s.list_id AND k.inbox_id = t.inbox_id
            JOIN inboxes i ON i.inbox_id = t.inbox_id AND i.deleted_at IS NULL
            WHERE t.inbox_id <> :viewer AND {came_by("t", route="q")}) n) p
    WHERE p.place <= {MOST_SHOWN} ORDER BY p.message_id, p.address
"""
