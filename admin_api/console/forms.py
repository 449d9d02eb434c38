"""Forms as browsers send them: application/x-www-form-urlencoded in UTF-8, within bounds.

A name may come several times. A name or value that is not percent-encoded UTF-8, or that holds
U+0000, is refused: a body of the API may not hold it either, and only one engine could store it.

A form that is refused comes back with what was written in it (`again`), to be sent once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from admin_api.http.body import MAX_BODY
from admin_api.http.problems import Problem

MOST_FIELDS = 600
# What people write, by the names of fields; the others of a form go along unseen.
_WRITTEN = {"to": "To", "hand_to": "Hand off to", "cc": "Cc", "bcc": "Bcc", "subject": "Subject"}
_WRITTEN |= {"text": "Text", "body": "Internal note", "note": "Internal note"}
_WRITTEN |= {"mentions": "Mention", "reason": "Reason", "name": "Name", "full_name": "Name"}
# A password is typed anew; the token is that of the page.
_KEPT = "kept."
_SECRET = frozenset(("form_token", "password", "current_password", "new_password", "again", "code"))
MEDIA_TYPE = "application/x-www-form-urlencoded"


class Form(Mapping[str, str]):
    """The fields of a form or query: `form[name]` is the first value, `every(name)` are all."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._fields[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def every(self, name: str) -> list[str]:
        """Return all values of a field, in their order."""
        return self._fields.get(name, [])


async def read_form(request: Request, *, known: bool) -> Form:
    """Return the body's fields; a `known` user may send more. Raises Problem 400, 413, 415."""
    # As much text as a body of the API has: a browser writes each octet beyond ASCII as three.
    most = MAX_BODY * (3 if known else 1)
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != MEDIA_TYPE or "charset" in _not_utf8(parameters):
        raise Problem(415, "unsupported_media_type", "A form is sent as the page sends it.")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > most:
        raise _too_large(most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return parse(bytes(body))


def _not_utf8(parameters: str) -> str:
    return parameters.lower().replace(" ", "").replace("charset=utf-8", "")


def parse(raw: bytes) -> Form:
    """Return the fields of a body or query string. Raises Problem 400."""
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MOST_FIELDS:
        raise _malformed()
    return Form(
        [(_text(name), _text(value)) for name, _, value in (p.partition(b"=") for p in pairs)]
    )


def _text(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise _malformed() from None
    if "\x00" in text:
        raise _malformed()
    return text.replace("\r\n", "\n")  # browsers end each line of a text so


def again(form: Form, path: str, *, without: Sequence[str] = ()) -> Mapping[str, Any] | None:
    """Return what a form to `path` has to hold to be sent again; None if nothing was written."""
    left_out = _SECRET.union(without)
    names = [name for name in form if name not in left_out]
    fields = [(name, _label(name), text) for name in names for text in form.every(name)]
    is_written = any(label and text.strip() for _, label, text in fields)
    return {"path": path, "fields": fields} if is_written else None


def _label(name: str) -> str:
    """Return what the field of a form is called; nothing for what nobody writes."""
    return "Time zone" if name.startswith("inb_") else _WRITTEN.get(name, "")


def kept(form: Form) -> Mapping[str, Any] | None:
    """Return the form that waits in that of a sign-in, as `again` does."""
    names = [name for name in form if name.startswith(_KEPT)]
    fields = [(name.removeprefix(_KEPT), text) for name in names for text in form.every(name)]
    return again(Form(fields), form.get("kept", ""))


def _malformed() -> Problem:
    return Problem(400, "malformed_form", "These are not the fields of a form.")


def _too_large(most: int) -> Problem:
    text = f"A form has at most {most} octets."
    return Problem(413, "body_too_large", text, headers={"Connection": "close"})
