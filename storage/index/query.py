"""Search queries as a person types them: words, phrases and a few fields.

- `report "second quarter" from:ann to:team subject:invoice has:attachment list:team@example.com
  after:2026-01-31 before:2026-03-01`: all of it must match.
- `is:unread|read|flagged` and `in:FOLDER` are about the copy of the inbox, `is:open|closed` and
  `assigned:me|none|ADDRESS` about the thread of the message.
- There is no wrong syntax: anything of no known form is words. Only a malformed date, and a value
  that `is`, `in` or `assigned` does not know, is a fault.
- Words joined without a space (`ann@example.com`) are a phrase.
- The first ten words count, those of phrases included; the others are ignored. Where ten words
  match, hardly any choice is left, and each further one costs as much as the first.
- `matches` gives the same result for a message's words as the index of an engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from storage.address import canonical_or_none
from storage.clock import SECOND, parse_rfc3339
from storage.errors import FieldFault, Invalid
from storage.index.words import FIELDS, Document, looked_for, unpack

MAX_WORDS = 10
MAX_LISTS = 10

Scope = Literal["any", "sender", "recipient", "subject"]

Mark = Literal["unread", "read", "flagged"]
Status = Literal["open", "closed"]
MARKS: tuple[Mark, ...] = ("unread", "read", "flagged")
STATUSES: tuple[Status, ...] = ("open", "closed")
# The JMAP roles (RFC 8621 2); a copy keeps the position.
FOLDERS = ("inbox", "archive", "junk", "trash", "sent")

_FIELD_OF: dict[str, Scope] = {"from": "sender", "to": "recipient", "subject": "subject"}
# A quote may be left open: a query is looked up while it is typed.
_PART = re.compile(
    r"""(?:(?P<key>from|to|subject|has|list|after|before|is|in|assigned):)?
    (?: "(?P<quoted>[^"]*)"? | (?P<plain>[^\s"]+) )""",
    re.VERBOSE | re.IGNORECASE,
)
_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """Words side by side in one field, or in any; the last one may be a prefix."""

    scope: Scope
    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """The conditions on a message. Times in microseconds: from `after` on, until `before`.

    `lists` are addresses or ids of lists, `assigned` is `me`, `none` or addresses, as they were
    typed. `marks` are of the copy, `folders` its folder, `statuses` of the thread: all must hold.
    """

    terms: tuple[Term, ...] = ()
    has_attachment: bool | None = None
    lists: tuple[str, ...] = ()
    after: int | None = None
    before: int | None = None
    marks: frozenset[Mark] = frozenset()
    folders: frozenset[str] = frozenset()
    statuses: frozenset[Status] = frozenset()
    assigned: frozenset[str] = frozenset()

    @property
    def needs_copy(self) -> bool:
        """Whether only a message can match of which the inbox holds a copy."""
        return bool(self.marks or self.folders or self.lists)

    @property
    def needs_index(self) -> bool:
        """Whether the full-text index is asked; otherwise the copies tell."""
        return bool(self.terms or self.lists or self.has_attachment)


def parse_query(text: str, beside: Query | None = None) -> Query:
    """Parse `text`, and add it to the conditions `beside` it.

    Raises Invalid on `q` for a malformed date, and for an unknown value of an operator.
    """
    query = beside or Query()
    for part in _PART.finditer(text):
        value = part["plain"] if part["quoted"] is None else part["quoted"]
        query = _with(query, (part["key"] or "").lower(), value)
    return query


def with_lists(query: Query, *named: str) -> Query:
    """Add to `query` that a message came by each of these lists."""
    return replace(query, lists=(*query.lists, *named)[:MAX_LISTS])


def with_span(query: Query, after: int | None, before: int | None) -> Query:
    """Add to `query` that a message came from `after` on and until `before`."""
    starts = [one for one in (query.after, after) if one is not None]
    ends = [one for one in (query.before, before) if one is not None]
    return replace(query, after=max(starts, default=None), before=min(ends, default=None))


def _with(query: Query, key: str, value: str) -> Query:
    if key == "has" and value.lower() in {"attachment", "attachments"}:
        return replace(query, has_attachment=True)
    if key == "list":
        return with_lists(query, value)
    if key == "after":
        return with_span(query, instant(value, field="q"), None)
    if key == "before":
        return with_span(query, None, instant(value, field="q"))
    if key in _OPERATORS:
        return _operated(query, key, value.lower())
    if key == "has":
        value = f"has {value}"
    return with_words(query, _FIELD_OF.get(key, "any"), value)


_OPERATORS = {"is", "in", "assigned"}


def _operated(query: Query, key: str, value: str) -> Query:
    """Add an operator about the copy or the thread. Raises Invalid on `q` for an unknown value."""
    if key == "assigned":
        if value not in {"me", "none"} and canonical_or_none(value) is None:
            raise _unknown(key, "me, none or the address of an inbox")
        return replace(query, assigned=query.assigned | {value})
    if key == "in":
        if value not in FOLDERS:
            raise _unknown(key, ", ".join(FOLDERS))
        return replace(query, folders=query.folders | {value})
    for mark in MARKS:
        if value == mark:
            return replace(query, marks=query.marks | {mark})
    for status in STATUSES:
        if value == status:
            return replace(query, statuses=query.statuses | {status})
    raise _unknown(key, ", ".join((*MARKS, *STATUSES)))


def _unknown(key: str, known: str) -> Invalid:
    return Invalid(FieldFault("q", f"holds an unknown {key}: ; it takes {known}"))


def with_words(query: Query, scope: Scope, text: str) -> Query:
    """Add to `query` that a field holds `text` as a phrase; no effect without words."""
    found, prefix = looked_for(text)
    left = MAX_WORDS - sum(len(term.words) for term in query.terms)
    if not found or left <= 0:
        return query
    term = Term(scope, found[:left], prefix and len(found) <= left)
    return replace(query, terms=(*query.terms, term))


def instant(text: str, *, field: str) -> int:
    """Return the time of a date-time, or the first moment of a date in UTC.

    Raises Invalid on `field`.
    """
    try:
        if found := _DATE.fullmatch(text):
            day = date(*(int(part) for part in found.groups()))
            return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        fault = FieldFault(field, "holds a malformed date; write it as 2026-01-31")
        raise Invalid(fault) from None


def matches(query: Query, document: Document) -> bool:
    """Whether the words of `document` match; checks no other condition."""
    return all(_holds(term, document) for term in query.terms)


def _holds(term: Term, document: Document) -> bool:
    fields = FIELDS if term.scope == "any" else (term.scope,)
    return any(_stands_in(term, getattr(document, field)) for field in fields)


def _stands_in(term: Term, found: Sequence[str]) -> bool:
    first, length = term.words[0], len(term.words)
    single = length == 1 and term.prefix
    for start, word in enumerate(found):
        if word != first and not (single and word.startswith(first)):
            continue
        there = found[start : start + length]
        if len(there) == length and _same(term, there):
            return True
    return False


def _same(term: Term, there: Sequence[str]) -> bool:
    *head, last = term.words
    ends = there[-1].startswith(last) if term.prefix else there[-1] == last
    return ends and list(there[:-1]) == head


def packed_matches(terms: Iterable[Term], packed: bytes) -> bool:
    """The same for packed words, quicker."""
    texts = {field: f" {text} " for field, text in unpack(packed).items()}
    for term in terms:
        wanted = " " + " ".join(term.words) + ("" if term.prefix else " ")
        fields = FIELDS if term.scope == "any" else (term.scope,)
        if not any(wanted in texts[field] for field in fields):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Lookup:
    """Messages with all `scopes` and `terms`, between two ids, newest first.

    `conditions` are SQL about the copy `c` and the message `m`, with their values in `params`.
    `narrow` are conditions, one of which must hold, by which the copies could be found instead.
    """

    scopes: tuple[str, ...]
    terms: tuple[Term, ...]
    conditions: str
    params: Mapping[str, Any]
    after: bytes | None
    before: bytes | None
    limit: int
    narrow: tuple[str, ...]
