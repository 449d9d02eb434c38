"""One statement for many rows: each parameter is an array, and the server takes the rows of them.

- Run for each row, a statement costs client and server more than the row does.
- It is done with an INSERT of VALUES or of rows of another table, an UPDATE of one row by its key,
  and a DELETE, where the rows cannot meet: an UPDATE, and an INSERT that updates what is there,
  must have another key in each row. Any other statement is run for each row.
- Of rows that meet in an INSERT that does nothing then, the first counts, as one by one.
- The arrays are in the server's binary form, in the widest type of their kind: so a statement is
  prepared once, whatever its values are. A parameter that is NULL in all rows is written as that.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from storage.database import Params
from storage.engines.servers.round_trips import Step
from storage.engines.servers.statements import NAMED, numbered

_MOST_ROWS = 500
_MOST_OCTETS = 8 * 1024 * 1024
_NULL = struct.pack("!i", -1)


def steps_of(sql: str, rows: Sequence[Params]) -> list[Step]:
    """The steps that run the statement once for each of `rows`."""
    if len(rows) > 1:
        together = _together(sql, rows)
        if together is not None:
            return together
    statement = numbered(sql)
    return [Step(statement.text, rows=[statement.values(row) for row in rows])] if rows else []


def _together(sql: str, rows: Sequence[Params]) -> list[Step] | None:
    names = numbered(sql).names
    if len(rows) > _MOST_ROWS or not names:
        return None
    columns = {name: [row[name] for row in rows] for name in names}
    nulls = frozenset(name for name in names if all(one is None for one in columns[name]))
    form = _form(sql, nulls)
    if form is None or len(nulls) == len(names):
        return None
    if form.key and len(set(zip(*(columns[name] for name in form.key), strict=True))) < len(rows):
        return None
    long = (len(one) for column in columns.values() for one in column if type(one) is bytes)
    if sum(long) > _MOST_OCTETS:
        return None
    try:
        arrays = [_array(columns[name]) for name in form.names]
    except (TypeError, struct.error):  # of several types, or beyond what the server has
        return None
    return [Step(form.text, arrays, prepare=True)]


class _Form(NamedTuple):
    """A statement for many rows; `names` are its arrays, and `key` those that must differ."""

    text: bytes
    names: tuple[str, ...]
    key: tuple[str, ...]


@lru_cache(maxsize=512)
def _form(sql: str, nulls: frozenset[str]) -> _Form | None:
    names = tuple(name for name in numbered(sql).names if name not in nulls)
    columns = ", ".join(f"p{place}" for place in range(1, len(names) + 1))
    arrays = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    places = {name: f"v.p{place}" for place, name in enumerate(names, 1)}
    source = f"unnest({arrays}) AS v ({columns})"

    def place(found: re.Match[str]) -> str:
        return found[0] if found[1] is None else places.get(found[1], "NULL")

    if (inserts := _INSERT.match(sql)) is not None:
        return _insert(inserts, sql, names, source, place)
    if (copies := _COPY.fullmatch(sql)) is not None and copies[2] != copies[4]:
        head, _, chosen, table, alias, where, behind = copies.groups(default="")
        numbered_source = f"unnest({arrays}) WITH ORDINALITY AS v ({columns}, place)"
        text = (
            f"{head} SELECT {NAMED.sub(place, chosen)} FROM {table} {alias}, {numbered_source}"
            f" WHERE {NAMED.sub(place, where)} ORDER BY v.place {behind}"
        )
        return _Form(text.encode(), names, ())
    if (updates := _UPDATE.fullmatch(sql)) is not None:
        what, key, value, more = updates.groups()
        if what.count("(") != what.count(")") or value in nulls:
            return None
        head = NAMED.sub(place, what)
        where = f"{key} = {places[value]} {NAMED.sub(place, more)}"
        return _Form(f"{head} FROM {source} WHERE {where}".encode(), names, (value,))
    if (deletes := _DELETE.fullmatch(sql)) is not None:
        table, where = deletes.groups()
        where = NAMED.sub(place, where)
        return _Form(f"DELETE FROM {table} USING {source} WHERE {where}".encode(), names, ())
    return None


_INSERT = re.compile(r"\s*INSERT INTO \w+\s*\(([^()]*)\)\s*VALUES\s*\(")
_COPY = re.compile(
    r"\s*(INSERT INTO (\w+)\s*\([^()]*\))\s*SELECT ([^()]*) FROM (\w+) (\w+)\s+WHERE ([^()]*?)"
    r"\s*(ON CONFLICT \([^()]*\)\s*DO NOTHING\s*)?"
)
_UPDATE = re.compile(r"\s*(UPDATE \w+\s+SET .*?)\s+WHERE (\w+) = :(\w+)((?:\s.*)?)", re.DOTALL)
_DELETE = re.compile(r"\s*DELETE FROM (\w+)\s+WHERE (.*)", re.DOTALL)
_CONFLICT = re.compile(r"\s*(?:ON CONFLICT \(([\w\s,]*)\)\s*DO (NOTHING|UPDATE).*)?", re.DOTALL)


def _insert(
    inserts: re.Match[str],
    sql: str,
    names: tuple[str, ...],
    source: str,
    place: Callable[[re.Match[str]], str],
) -> _Form | None:
    end = _closing(sql, inserts.end())
    values, behind = sql[inserts.end() : end], sql[end + 1 :]
    conflict = _CONFLICT.fullmatch(behind)
    if conflict is None or any(found[1] for found in NAMED.finditer(behind)):
        return None
    key: tuple[str, ...] = ()
    if conflict[2] == "UPDATE":
        if "(" in values:
            return None
        given = dict(zip(_listed(inserts[1]), _listed(values), strict=False))
        key = tuple(given[column].removeprefix(":") for column in _listed(conflict[1]))
        if not set(key) <= set(names):
            return None
    head = sql[: inserts.end()].rpartition("VALUES")[0]
    chosen = NAMED.sub(place, values)
    return _Form(f"{head} SELECT {chosen} FROM {source} {behind}".encode(), names, key)


def _closing(sql: str, start: int) -> int:
    """The place of the parenthesis that closes the one before `start`."""
    depth = 1
    for at in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if not depth:
            return at
    raise ValueError("a parenthesis is not closed")


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


class _OfBytes(bytes):
    """An array of BYTEA, as the server reads it."""


class _OfIntegers(bytes):
    """An array of BIGINT."""


class _OfTexts(bytes):
    """An array of TEXT."""


class _OfNumbers(bytes):
    """An array of DOUBLE PRECISION."""


def _array(values: Sequence[object]) -> bytes:
    """The values of a column. Raises TypeError, struct.error."""
    kind = type(next(one for one in values if one is not None))
    if kind is bytes:
        return _OfBytes(_packed(17, [_sized(one, bytes) for one in values]))
    if kind is str:
        texts = [one if one is None else _encoded(one) for one in values]
        return _OfTexts(_packed(25, [_sized(one, bytes) for one in texts]))
    if kind is float:
        return _OfNumbers(_packed(701, [_fixed("!id", one, float) for one in values]))
    if kind is int or kind is bool:
        return _OfIntegers(_packed(20, [_fixed("!iq", one, int) for one in values]))
    raise TypeError


def _packed(element: int, items: Sequence[bytes]) -> bytes:
    has_null = int(_NULL in items)
    return struct.pack("!iiiii", 1, has_null, element, len(items), 1) + b"".join(items)


def _encoded(one: object) -> bytes:
    if not isinstance(one, str):
        raise TypeError
    return one.encode()


def _sized(one: object, kind: type[bytes]) -> bytes:
    if one is None:
        return _NULL
    if not isinstance(one, kind):
        raise TypeError
    return struct.pack("!i", len(one)) + one


def _fixed(form: str, one: object, kind: type) -> bytes:
    if one is None:
        return _NULL
    if not isinstance(one, kind):
        raise TypeError
    return struct.pack(form, 8, one)


class _Ready(Dumper):
    """Sends an array as it is."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _BytesReady(_Ready):
    oid = 1001


class _IntegersReady(_Ready):
    oid = 1016


class _TextsReady(_Ready):
    oid = 1009


class _NumbersReady(_Ready):
    oid = 1022


def take_arrays(connection: AdaptContext) -> None:
    """Have a connection send the arrays of these statements."""
    for kind, ready in (
        (_OfBytes, _BytesReady),
        (_OfIntegers, _IntegersReady),
        (_OfTexts, _TextsReady),
        (_OfNumbers, _NumbersReady),
    ):
        connection.adapters.register_dumper(kind, ready)
