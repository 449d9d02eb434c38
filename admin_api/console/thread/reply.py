"""A reply as a `mailto:` link (RFC 6068): the reader's own mail program sends it.

- To the Reply-To, else to the sender; of a letter of ours, to those it was for. In copy all others
  who got the message, but for teammates.
- The body is cut at 1,500 characters: mail programs take no endless links.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from admin_api.http.records import ReadRecord as Record

MOST_BODY = 1500
_MOST_ADDRESSES = 30
_MOST_SUBJECT = 300
_RE = re.compile(r"\s*re\s*(\[\d+\])?\s*:", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def mailto(
    message: Mapping[str, Any], *, own: Collection[str], subject: str = "", body: str = ""
) -> str:
    """Return the link that answers a message; `own` are the addresses of the team, in lower case.

    `subject` and `body` are a template's; left empty, they are those of an answer with a quote.
    """
    to, others = whom(message, own=own)
    fields = {
        "cc": _listed(others),
        "subject": _quoted(subject or answered(message["subject"])),
        "In-Reply-To": _quoted(_field(message["headers"], "message-id")),
        "body": _quoted((body or quoted(message))[:MOST_BODY].replace("\n", "\r\n")),
    }
    given = "&".join(f"{name}={value}" for name, value in fields.items() if value)
    return f"mailto:{_listed(to)}?{given}"


def whom(message: Record, *, own: Collection[str]) -> tuple[list[Record], list[Record]]:
    """Return whom an answer goes to, and all others who got the message, but for teammates."""
    to = [one for one in message["reply_to"] or [message["from"]] if one["email"]]
    # A letter of ours goes once more to those it was for. Its Reply-To is an address of ours with
    # a token, which `own` does not hold.
    sent = message["from"]["email"].lower() in own
    if sent or (to and all(one["email"].lower() in own for one in to)):
        to = [one for one in message["to"] if one["email"]]
    taken = {*own, *(one["email"].lower() for one in to)}
    others: dict[str, Record] = {}
    for one in [*message["to"], *message["cc"]]:
        if one["email"] and one["email"].lower() not in taken:
            others.setdefault(one["email"].lower(), one)
    return to, [*others.values()]


def parts_of(text: str, names: Collection[str]) -> list[str]:
    """Return a text with some names in it apart, to be marked."""
    return re.split(f"({'|'.join(map(re.escape, names))})", text) if names else [text]


def answered(subject: str) -> str:
    """Return the subject of an answer."""
    plain = _CONTROL.sub(" ", subject).strip()[:_MOST_SUBJECT]
    return plain if _RE.match(plain) else f"Re: {plain}"


def quoted(message: Mapping[str, Any]) -> str:
    """Return the text of a message as a quote."""
    name = message["from"]["name"] or message["from"]["email"]
    lines = (message["text_body"] or "")[:MOST_BODY].rstrip().split("\n")
    return f"\n\n{name} wrote:\n" + "\n".join(f"> {line}".rstrip() for line in lines)


def _field(headers: Iterable[Mapping[str, Any]], name: str) -> str:
    for one in headers:
        if one["name"].lower() == name:
            return str(one["value"])[:_MOST_SUBJECT]
    return ""


def _listed(some: Sequence[Record]) -> str:
    return ",".join(_address(one["email"]) for one in some[:_MOST_ADDRESSES])


def _address(address: str) -> str:
    return quote(_CONTROL.sub("", address), safe="@")


def _quoted(text: str) -> str:
    # RFC 6068 5: a bare "&" in a stranger's subject would begin a field of its own, such as bcc.
    return quote(text, safe="")
