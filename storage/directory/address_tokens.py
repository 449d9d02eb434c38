"""Tokens in addresses: by them mail that comes back finds the letter or the thread it belongs to.

- `bounce+TOKEN@domain` is the envelope sender of a letter, `team+r.TOKEN@domain` its Reply-To.
- A token is 80 random bits, and stored: one that was not given out is not known, so it changes
  nothing. The two tokens of a letter are drawn apart: whoever answers learns only of the second.
- Local parts have at most 64 octets: an address too long for a token stays as it is.

RFC 5321 4.5.3.1.1 (local parts), RFC 5233 (subaddresses).
"""

from __future__ import annotations

import base64
import os
import re

_OCTETS = 10
_MAX_LOCAL_PART = 64
_TOKEN = r"([a-z2-7]{16})"
_BOUNCE = re.compile(rf"bounce\+{_TOKEN}", re.IGNORECASE)
_REPLY = re.compile(rf"[^+]+\+r\.{_TOKEN}", re.IGNORECASE)
_DOT_STRING = re.compile(r"[A-Za-z0-9!#$%&'*/=?^_`{|}~.-]+")


def new_token() -> str:
    """Draw a token: 16 small letters and digits."""
    return base64.b32encode(os.urandom(_OCTETS)).decode().lower()


def bounce_address(token: str, domain: str) -> str:
    """Return the envelope sender of a letter from this domain."""
    return f"bounce+{token}@{domain}"


def bounce_token_of(local_part: str) -> str | None:
    """Return the token of an envelope sender of ours; None where there is none."""
    if "+" not in local_part:  # nearly every address: the pattern need not be tried
        return None
    found = _BOUNCE.fullmatch(local_part)
    return found[1].lower() if found else None


def reply_address(address: str, token: str) -> str | None:
    """Return the address with a token for answers; None where there is no room for one."""
    local_part, _, domain = address.rpartition("@")
    with_token = f"{local_part}+r.{token}"
    if not _DOT_STRING.fullmatch(local_part) or len(with_token) > _MAX_LOCAL_PART:
        return None
    return f"{with_token}@{domain}"


def reply_token_of(local_part: str) -> str | None:
    """Return the token of an address that an answer was sent to; None where there is none."""
    found = _REPLY.fullmatch(local_part)
    return found[1].lower() if found else None


def without_token(address: str) -> str:
    """Return the address that an answer's address with a token stands for; others as they are."""
    # Nearly every address: the pattern need not be tried.
    if "+r." not in address.lower():
        return address
    local_part, _, domain = address.rpartition("@")
    return f"{local_part.partition('+')[0]}@{domain}" if reply_token_of(local_part) else address


def reply_reference(token: str) -> str:
    """Return the name by which the thread of a reply token is remembered, beside Message-IDs."""
    return f"r.{token}"
