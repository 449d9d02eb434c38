"""Authentication-Results: ours, written for who wants it, and those of others that carry our name.

- Stored bytes never have a field of ours. So one with our name came with the message, and is
  forged, unless a relay of ours uses our name and is believed (setting `auth_results_from`): its
  fields stand above the second Received.
- Names and values of ours come from a stranger's mail; what is no plain word is quoted, and nothing
  can end the field.

RFC 8601 2.2, 5; RFC 8617 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storage.message_format.authserv_id import authserv_id, comparable

FIELD = "authentication-results"

_WORD = re.compile(r"[A-Za-z0-9._-]+")


def carries_name(value: str, hostname: str) -> bool:
    """Whether the value of such a field says that `hostname` wrote it."""
    return authserv_id(value) == comparable(hostname)


def field(record: Mapping[str, Any] | None, hostname: str) -> bytes:
    """Write the field for a stored record; `none` when the message was not checked yet."""
    results = ["none"] if record is None else [*_results(record)]
    text = f"Authentication-Results: {hostname};\r\n\t" + ";\r\n\t".join(results) + "\r\n"
    return text.encode("ascii", "replace")


def _results(record: Mapping[str, Any]) -> Iterator[str]:
    spf, dmarc, arc = record["spf"], record["dmarc"], record["arc"]
    scope = "smtp.helo" if spf["scope"] == "helo" else "smtp.mailfrom"
    yield _result("spf", spf, [(scope, spf["domain"])])
    signatures: Sequence[Mapping[str, Any]] = record["dkim"]
    for one in signatures:
        named = [("header.d", one["domain"]), ("header.s", one["selector"])]
        yield _result("dkim", one, [*named, ("header.a", one["algorithm"])])
    if not signatures:
        yield "dkim=none"
    yield _result("dmarc", dmarc, [("header.from", record["from_domain"])])
    yield _result("arc", arc, [])


def _result(
    method: str, found: Mapping[str, Any], properties: Sequence[tuple[str, str | None]]
) -> str:
    parts = [f"{method}={found['result']}"]
    if found.get("reason"):
        parts.append(f"reason={_value(found['reason'], always_quoted=True)}")
    parts += [f"{name}={_value(value)}" for name, value in properties if value]
    return " ".join(parts)


def _value(text: str, *, always_quoted: bool = False) -> str:
    if _WORD.fullmatch(text) and not always_quoted:
        return text
    # A CR LF in a stranger's domain would begin a header field of its own.
    shown = "".join(one if " " <= one <= "~" else "?" for one in text[:500])
    return '"' + re.sub(r'(["\\])', r"\\\1", shown) + '"'
