"""The header fields of a stored message, as a list of names and values.

- They are read from the stored bytes on demand, up to the caps of
  `storage.message_format.header_grammar`.
- Values are unfolded and otherwise as they came: encoded words stay encoded. Bytes that are not
  UTF-8, and NUL, become U+FFFD.
- A field that claims to be a result of our own check is shown, and marked as forged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from admin_api.http.records import Record
from admin_api.mailbox.authentication_results import FIELD, carries_name
from storage.message_format.header_grammar import MAX_OCTETS, fields, unfolded


def header_fields(head: bytes, *, hostname: str = "", believed: bool = False) -> list[Record]:
    """Return `[{"name": …, "value": …}]` in the order of the header.

    A field in the name of `hostname` is forged; with `believed` not above the second Received,
    where a relay of ours writes.
    """
    shown: list[Record] = []
    hops = 0
    for raw_name, raw_value in fields(head):
        name, value = raw_name.decode("ascii"), _text(unfolded(raw_value))
        hops += name.lower() == "received"
        record: Record = {"name": name, "value": value}
        is_ours = hostname and name.lower() == FIELD and carries_name(value, hostname)
        # The first Received is the relay's own; what stands below the second came with the message.
        if is_ours and not (believed and hops < 2):
            record["forged"] = True
        shown.append(record)
    return shown


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").replace("\x00", "\ufffd")


async def head_of(chunks: AsyncIterator[bytes]) -> bytes:
    """Return the first 100 KiB of a content."""
    head = b""
    async for chunk in chunks:
        head += chunk[: MAX_OCTETS - len(head)]
        if len(head) == MAX_OCTETS:
            break
    return head
