"""Tag lists: `a=rsa-sha256; d=example.org`, of signatures, keys and DMARC records.

A tag that occurs twice, or a part without a name, makes the whole list worthless. White space
around names and values does not count; inside a value it stays. RFC 6376 3.2.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

MOST_TAGS = 100

# More than the RFC has in names: a tag that nobody knows is passed over, whatever it is called.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_SPACE = re.compile(r"[ \t\r\n]+")
_FOLD = " \t\r\n"


def parse_tags(octets: bytes) -> dict[str, str] | None:
    """Return the values by their names, which differ by case; None when it is no tag list."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    parts = text.split(";", MOST_TAGS + 1)
    if not parts[-1].strip(_FOLD):
        parts.pop()
    tags: dict[str, str] = {}
    for part in parts[: MOST_TAGS + 1]:
        name, equals, value = part.partition("=")
        name = name.strip(_FOLD)
        if not equals or name in tags or not _NAME.fullmatch(name):
            return None
        tags[name] = value.strip(_FOLD)
    return tags if 0 < len(tags) <= MOST_TAGS else None


def squeezed(value: str) -> str:
    """Return a value without the white space in it, as base64 and lists may be folded."""
    return _SPACE.sub("", value)


def decode_base64(text: str) -> bytes | None:
    """Return the octets; None when it is no base64. `text` has no white space."""
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
