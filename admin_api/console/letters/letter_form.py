"""The form of a letter: from what the API shows to fields, and from fields to a call. Pure.

- A recipient is `Ann <ann@example.com>` or an address; a comma or a line end stands between two.
- A file is the id of its upload and its name, with a tilde between them.
- The signature is put under the text once, when the form is sent; a draft has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from admin_api.console.forms import Form
from admin_api.console.thread.reply import answered, whom
from admin_api.http.records import ReadRecord as Record
from admin_api.http.strict_json import JsonValue

JsonObject = dict[str, JsonValue]
LISTS = ("to", "cc", "bcc")
_TEXTS = ("reply_to", "from", *LISTS, "subject", "text", "draft_id", "draft_tag")
EMPTY: Record = {**dict.fromkeys(("last", *_TEXTS), ""), "quote": True, "files": ()}
_BETWEEN = re.compile(r"[,;\n]+")
_UNCLEAR = re.compile(r'[,;\n"<>]|^\s|\s$')


def mailboxes(text: str) -> list[JsonValue]:
    """Return the recipients that were typed; what is no address is the API's to refuse."""
    found: list[JsonValue] = []
    for one in map(str.strip, _parted(text)):
        before, opened, within = one.removesuffix(">").rpartition("<")
        is_named = one.endswith(">") and opened and ">" not in within
        name, email = (before.strip().strip('"'), within.strip()) if is_named else ("", one)
        if email or name:
            found.append({"email": email, "name": name})
    return found


def _parted(text: str) -> list[str]:
    """The recipients apart; not within quotes: "Doe, Ann" is one name.

    Quotes are counted from the end, so that one too many does not join all that follow.
    """
    pieces: list[list[str]] = [[]]
    quoted = text.split('"')
    for place, part in enumerate(quoted):
        behind = len(quoted) - 1 - place
        first, *others = [part] if behind % 2 else _BETWEEN.split(part)
        pieces[-1].append(first)
        pieces += [[one] for one in others]
        if behind:
            pieces[-1].append('"')
    return ["".join(one) for one in pieces]


def typed(found: Iterable[Record] | None) -> str:
    """Return recipients as they are typed; a name has quotes where it could be read otherwise."""
    return ", ".join(_typed(one["name"], one["email"]) for one in found or ())


def _typed(name: str, email: str) -> str:
    if not name:
        return email
    return f'"{name}" <{email}>' if _UNCLEAR.search(name) else f"{name} <{email}>"


def of_answer(message: Record, *, own: Collection[str], everybody: bool) -> dict[str, Any]:
    """Return the fields of an answer to a message; `own` are the team's addresses, lower case."""
    to, others = whom(message, own=own)
    return {
        "reply_to": message["message_id"],
        "to": typed(to),
        "cc": typed(others if everybody else ()),
        "subject": answered(message["subject"]),
    }


def of_draft(draft: Record, tag: str) -> dict[str, Any]:
    """Return the fields of a draft; `tag` is its version."""
    return {
        "reply_to": draft["reply_to_message_id"] or "",
        "from": draft["from"] or "",
        **{name: typed(draft[name]) for name in LISTS},
        "subject": draft["subject"] or "",
        "text": draft["text_body"] or "",
        "quote": draft["quote"] == "last",
        "files": [f"{one['upload_id']}~{one['filename']}" for one in draft["attachments"]],
        "draft_id": draft["draft_id"],
        "draft_tag": tag,
    }


def of_form(form: Form) -> dict[str, Any]:
    """Return the fields as they were sent, to be shown again."""
    shown: dict[str, Any] = {name: form.get(name, "") for name in _TEXTS}
    return shown | {"quote": bool(form.get("quote")), "files": form.every("file")}


def letter_of(form: Form, *, signature: str = "") -> JsonObject:
    """Return the letter that a form holds, for the API."""
    text = form.get("text", "")
    body: JsonObject = {
        **{name: mailboxes(form.get(name, "")) for name in LISTS},
        "subject": " ".join(form.get("subject", "").split()),
        "text_body": f"{text.rstrip()}\n\n-- \n{signature}\n" if signature else text,
    }
    if files := [one.partition("~")[0] for one in form.every("file")]:
        body["attachments"] = [{"upload_id": one} for one in files]
    if form.get("from"):
        body["from"] = form["from"]
    if form.get("reply_to"):
        body |= {"reply_to_message_id": form["reply_to"]}
        body["quote"] = "last" if form.get("quote") else "none"
    return body
