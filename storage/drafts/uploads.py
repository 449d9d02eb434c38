"""Uploads: files that wait to be attached to a letter.

- The bytes lie where large contents lie, as they came, and are no message's.
- A letter is made of the uploads of its own inbox; one made of a teammate's draft takes that one's.
- An upload belongs to one inbox and stays for 24 hours. One that a letter has taken stays as long,
  so that a cancelled letter becomes a draft with its files; another letter cannot take it.
- An inbox holds at most `ROOM` octets that no letter has taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from storage.clock import HOUR
from storage.content.message_bytes import Content
from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid
from storage.sql import in_list

KEPT = 24 * HOUR
ROOM = 100 << 20
# Names of at most 255 octets: what file systems hold, in most alphabets.
LONGEST_NAME = 255
MOST_OF_A_LETTER = 50


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored upload."""

    upload_id: bytes
    inbox_id: bytes
    filename: str
    content_type: str
    content: Content
    expires_at: int


async def require_room(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, size: int, now: int) -> None:
    """Raises Conflict `uploads_full` when the inbox has no room for `size` octets more."""
    row = await tx.fetch_one(
        """
        SELECT COALESCE(SUM(size), 0) AS held FROM uploads
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND message_id IS NULL
          AND expires_at > :now
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "now": now},
    )
    assert row is not None
    if int(row["held"]) + size > ROOM:
        raise Conflict(
            "uploads_full",
            f"The files uploaded for this inbox may hold {ROOM >> 20} MiB together; send them, or"
            " wait until they expire.",
        )


async def add_upload(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    filename: str,
    content_type: str,
    content: Content,
    now: int,
) -> Upload:
    """Record a file that is on stable storage. Raises Conflict `uploads_full`."""
    await require_room(tx, tenant_id=tenant_id, inbox_id=inbox_id, size=content.size, now=now)
    made = Upload(tx.new_id(), inbox_id, filename, content_type, content, now + KEPT)
    await tx.execute(
        """
        INSERT INTO uploads
            (upload_id, tenant_id, inbox_id, filename, content_type, sha256, size, file, expires_at)
        VALUES
            (:upload_id, :tenant_id, :inbox_id, :filename, :content_type, :sha256, :size, :file,
             :expires_at)
        """,
        {
            "upload_id": made.upload_id,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "filename": filename,
            "content_type": content_type,
            "sha256": content.sha256,
            "size": content.size,
            "file": content.file,
            "expires_at": made.expires_at,
        },
    )
    return made


async def find_uploads(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    upload_ids: Sequence[bytes],
    now: int,
    lent: Mapping[bytes, bytes] = MappingProxyType({}),
) -> list[Upload]:
    """Return the inbox's uploads with these ids that no letter has taken, in this order.

    `lent` are uploads of other inboxes that may be used as well, each with its inbox. Raises
    Invalid on `attachments[N].upload_id` for each that is not there, and for one that is named
    twice.
    """
    present = await present_uploads(tx, tenant_id=tenant_id, upload_ids=upload_ids, now=now)
    # Another inbox's upload and an unknown one get the same fault.
    found = {
        one: upload
        for one, upload in present.items()
        if upload.inbox_id in (inbox_id, lent.get(one))
    }
    faults = [
        FieldFault(f"attachments[{place}].upload_id", message)
        for place, upload_id in enumerate(upload_ids)
        if (message := _fault(upload_id, found, upload_ids[:place]))
    ]
    if faults:
        raise Invalid(*faults)
    return [found[upload_id] for upload_id in upload_ids]


async def present_uploads(
    tx: Tx, *, tenant_id: bytes, upload_ids: Collection[bytes], now: int
) -> dict[bytes, Upload]:
    """Return those of these uploads, of any inbox, that are there and that no letter has taken."""
    if not upload_ids:
        return {}
    chosen, names = in_list(upload_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM uploads
        WHERE tenant_id = :tenant_id AND message_id IS NULL AND expires_at > :now
          AND upload_id IN ({chosen})
        """,
        {"tenant_id": tenant_id, "now": now, **names},
    )
    return {bytes(row["upload_id"]): _upload(row) for row in rows}


def _fault(upload_id: bytes, found: dict[bytes, Upload], before: Sequence[bytes]) -> str:
    if upload_id not in found:
        return "is not an upload of this inbox, or has expired"
    return "is named twice" if upload_id in before else ""


async def take_uploads(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    message_id: bytes,
    upload_ids: Sequence[bytes],
    now: int,
    lent: Mapping[bytes, bytes] = MappingProxyType({}),
) -> list[Upload]:
    """Give uploads to a letter of the inbox; they are its own then. Raises as `find_uploads`."""
    found = await find_uploads(
        tx, tenant_id=tenant_id, inbox_id=inbox_id, upload_ids=upload_ids, now=now, lent=lent
    )
    await tx.execute_many(
        """
        UPDATE uploads SET message_id = :message_id, inbox_id = :inbox_id
        WHERE upload_id = :upload_id
        """,
        [
            {"message_id": message_id, "inbox_id": inbox_id, "upload_id": one.upload_id}
            for one in found
        ],
    )
    return found


async def release_uploads(tx: Tx, *, tenant_id: bytes, message_id: bytes, now: int) -> None:
    """Take the uploads back from a letter that is not sent; they stay for 24 hours more."""
    await tx.execute(
        """
        UPDATE uploads SET message_id = NULL, expires_at = :expires_at
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND expires_at > :now
        """,
        {
            "tenant_id": tenant_id,
            "message_id": message_id,
            "expires_at": now + KEPT,
            "now": now,
        },
    )


async def remove_expired(tx: Tx, *, upload_ids: Sequence[bytes], now: int) -> list[str]:
    """Delete those of these uploads that have expired; their files, to remove after the commit."""
    chosen, names = in_list(upload_ids)
    key = {**names, "now": now}
    over = f"upload_id IN ({chosen}) AND expires_at <= :now"
    rows = await tx.fetch_all(f"SELECT file FROM uploads WHERE {over}", key)
    await tx.execute(f"DELETE FROM uploads WHERE {over}", key)
    return [str(row["file"]) for row in rows]


_COLUMNS = "upload_id, inbox_id, filename, content_type, sha256, size, file, expires_at"


def _upload(row: Row) -> Upload:
    return Upload(
        bytes(row["upload_id"]),
        bytes(row["inbox_id"]),
        row["filename"],
        row["content_type"],
        Content(bytes(row["sha256"]), row["size"], None, row["file"]),
        row["expires_at"],
    )
