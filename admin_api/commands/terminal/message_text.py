"""A message for a person at a terminal: the header as it came, then the first plain text.

Whatever a sender made up ends in some text; what cannot be read as mail is shown as it is.
"""

from __future__ import annotations

import re
from email import message_from_bytes

_HEADER = re.compile(rb"(.*?)(?:\r\n\r\n|\n\n|\Z)(.*)", re.DOTALL)


def readable(content: bytes) -> str:
    """The header, an empty line, and the text."""
    found = _HEADER.match(content)
    assert found is not None
    try:
        text = _first_text(content)
    except Exception:  # crafted mail makes the email package raise all sorts of things
        text = None
    shown = _decoded(found[2], "utf-8") if text is None else text
    return f"{_decoded(found[1], 'utf-8')}\n\n{shown}".rstrip("\n")


def _first_text(content: bytes) -> str | None:
    for part in message_from_bytes(content).walk():
        payload = None if part.is_multipart() else part.get_payload(decode=True)
        if part.get_content_type() == "text/plain" and isinstance(payload, bytes):
            return _decoded(payload, part.get_content_charset("utf-8"))
    return None


def _decoded(octets: bytes, charset: str) -> str:
    try:
        text = octets.decode(charset, "replace")
    except LookupError:
        text = octets.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
