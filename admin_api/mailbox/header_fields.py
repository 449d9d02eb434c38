"""The header fields of a stored message, as a list of names and values.

- They are read from the stored bytes on demand, up to the caps of `storage.content.header_grammar`.
- Values are unfolded and otherwise as they came: encoded words stay encoded. Bytes that are not
  UTF-8, and NUL, become U+FFFD.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from storage.content.header_grammar import MAX_OCTETS, fields, unfolded


def header_fields(head: bytes) -> list[dict[str, str]]:
    """Return `[{"name": …, "value": …}]` in the order of the header."""
    return [
        {"name": name.decode("ascii"), "value": _text(unfolded(value))}
        for name, value in fields(head)
    ]


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
