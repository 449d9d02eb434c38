"""The composer: from the fields of a letter to its octets, without a store.

- It takes text from the call, a template, and the message that is answered; it has no way to notes,
  tasks or cards.
- No value can end its header field: a field with CR or LF in it is refused before, and whatever is
  not plain ASCII becomes an encoded word. Lines have at most 998 octets.
- Neither the client nor its address is named. A blind recipient stands in no field.

RFC 5322 (fields), RFC 2047 (encoded words), RFC 2045 (parts), RFC 3834 5 (Auto-Submitted).
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from storage.clock import SECOND
from storage.mailbox.copies import Mailbox

_KEPT_AT_EACH_END = 18
_LONG_TEXT = 32 * 1024
_PLAIN = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_REPLY = re.compile(r"\s*(?:re|aw|sv|antw)\s*:", re.IGNORECASE)
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
BASE64_CHUNK = 57 * 4096  # of whole lines


@dataclass(frozen=True, slots=True)
class Heading:
    """The fields of a letter. Ids are without angle brackets; `date` is in microseconds."""

    author: Mailbox
    reply_to: str | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    message_id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    date: int
    is_automatic: bool


def reply_subject(subject: str) -> str:
    """Return the subject of an answer."""
    one_line = _LINE_END.sub(" ", subject)
    return one_line if _REPLY.match(one_line) else f"Re: {one_line}"


def references_of(thread: str, earlier: Sequence[str], answered: str | None) -> tuple[str, ...]:
    """Return the ids of References: the thread's own, some of the answered message's, and its id.

    Of many earlier ones the first and the last count.
    """
    found = [*earlier]
    if len(found) > 2 * _KEPT_AT_EACH_END:
        # The first ids lead to the thread, the last to the parent; a header must not grow for ever.
        found = found[:_KEPT_AT_EACH_END] + found[-_KEPT_AT_EACH_END:]
    return tuple(dict.fromkeys([thread, *found, *([answered] if answered else [])]))


def quoted(text: str, *, author: Mailbox, date: int) -> str:
    """Return a text as a quotation below a line that says whose it is."""
    name = author.name or author.email
    lines = [
        f">{'' if line.startswith('>') or not line else ' '}{line}"
        for line in _LINE_END.split(text.rstrip())
    ]
    return "\n".join([f"On {formatdate(date / SECOND)}, {name} wrote:", *lines, ""])


def header_of(heading: Heading) -> bytes:
    """Write the header, without the fields of the body."""
    fields = [
        f"Date: {formatdate(heading.date / SECOND)}",
        f"From: {_mailbox(heading.author)}",
        *([f"Reply-To: {heading.reply_to}"] if heading.reply_to else []),
        *([_listed("To", heading.to)] if heading.to else []),
        *([_listed("Cc", heading.cc)] if heading.cc else []),
        # An empty group (RFC 5322 3.4): some servers take a header without recipients for spam.
        *([] if heading.to or heading.cc else ["To: undisclosed-recipients:;"]),
        f"Subject: {_words('Subject', heading.subject)}",
        f"Message-ID: <{heading.message_id}>",
    ]
    if heading.in_reply_to:
        fields.append(f"In-Reply-To: <{heading.in_reply_to}>")
    if heading.references:
        fields.append("References: " + "\r\n ".join(f"<{one}>" for one in heading.references))
    if heading.is_automatic:
        fields.append("Auto-Submitted: auto-generated")
    fields.append("MIME-Version: 1.0")
    return "".join(f"{field}\r\n" for field in fields).encode("ascii")


def _listed(name: str, mailboxes: Sequence[Mailbox]) -> str:
    return f"{name}: " + ",\r\n ".join(_mailbox(one) for one in mailboxes)


def _mailbox(mailbox: Mailbox) -> str:
    if not mailbox.name:
        return mailbox.email
    return f"{_phrase(mailbox.name)} <{mailbox.email}>"


def _phrase(name: str) -> str:
    # The reader would decode a "=?" that stands there plain, into another name.
    if len(name) > 70 or not _PLAIN.fullmatch(name) or "=?" in name:
        return Header(name, "utf-8", maxlinelen=70).encode(linesep="\r\n")
    if _ATOMS.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _words(field: str, text: str) -> str:
    """Write unstructured text: as it is when that is short and plain, else in encoded words."""
    is_plain = _PLAIN.fullmatch(text) and "=?" not in text and text == text.strip()
    if is_plain and len(text) <= 65:
        return text
    return Header(text, "utf-8", maxlinelen=70, header_name=field).encode(linesep="\r\n")


def body_of(text: str, html: str) -> bytes:
    """Write the body as a part: its fields, an empty line, its octets."""
    part = EmailMessage(SMTP)
    if text or not html:
        _set(part, text, "plain")
    if html and text:
        part.add_alternative(html, subtype="html", cte=_encoding(html))
    elif html:
        _set(part, html, "html")
    del part["MIME-Version"]
    return part.as_bytes()


def _set(part: EmailMessage, text: str, subtype: str) -> None:
    part.set_content(text, subtype=subtype, cte=_encoding(text))


def _encoding(text: str) -> str:
    return "base64" if len(text) > _LONG_TEXT else "quoted-printable"


def new_boundary() -> str:
    """Draw a boundary that no part holds."""
    return f"=_{os.urandom(18).hex()}"


def mixed_head(boundary: str, body: bytes) -> bytes:
    """Write the beginning of a letter with files: the fields of the whole, and the body."""
    first = (
        f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'
    ).encode("ascii")
    return first + body


def file_head(boundary: str, *, filename: str, content_type: str) -> bytes:
    """Write what stands before the octets of a file, which follow in base64."""
    part = EmailMessage(SMTP)
    part["Content-Type"] = (
        content_type if _TYPE.fullmatch(content_type) else ("application/octet-stream")
    )
    part["Content-Transfer-Encoding"] = "base64"
    part.add_header("Content-Disposition", "attachment", filename=filename)
    return f"\r\n--{boundary}\r\n".encode("ascii") + part.as_bytes()


def encoded(octets: bytes) -> bytes:
    """Encode a chunk of a file; all but the last have `BASE64_CHUNK` octets."""
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def mixed_end(boundary: str) -> bytes:
    """Write the end of a letter with files."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")
