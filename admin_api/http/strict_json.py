"""JSON bodies, read as strictly as RFC 8259 allows and I-JSON (RFC 7493) asks.

- UTF-8 only; one object; no key twice; no NaN or infinity; integers within 64 bits; no lone
  surrogate and no U+0000, which some engine could not store; nesting to 32.
- Every fault with a place in the document names it, as `mentions[1]`.
- An answer repeats a key only if it may be one of ours: it never echoes an address, an id or a
  secret, all of which are longer or have other letters.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from storage.errors import FieldFault

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 32
MAX_FAULTS = 100
_MAX_INTEGER = 2**63
_INTEGER_DIGITS = 20
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,23}")
# PostgreSQL refuses U+0000 in a text, and half a surrogate pair is no UTF-8 for either engine.
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


class MalformedJson(Exception):
    """The body is not JSON that we read; `faults` name the places, if any."""

    def __init__(self, detail: str, *faults: FieldFault) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Odd:
    """A stand-in for a value that cannot be read."""

    message: str


def parse_object(body: bytes) -> dict[str, JsonValue]:
    """Parse `body` to its object. Raises MalformedJson."""
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    except RecursionError:
        raise MalformedJson(f"The body is nested more than {MAX_DEPTH} deep.") from None
    except ValueError:
        raise MalformedJson("The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise MalformedJson("The body must be a JSON object.")
    faults = _first(_faults(document, "", 1))
    if faults:
        raise MalformedJson("The body holds values that cannot be read.", *faults)
    return document


def field_path(parts: tuple[int | str, ...]) -> str:
    """Write `("mentions", 1)` as `mentions[1]`."""
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else _below(path, part)
    return path


def _below(path: str, key: str) -> str:
    # A key may be an address or a token that was put in the wrong place.
    name = key if _PLAIN_KEY.fullmatch(key) else "(other)"
    return f"{path}.{name}" if path else name


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in pairs:
        # Parsers differ in which one counts: a proxy might check one and we use the other.
        made[key] = _Odd("occurs more than once") if key in made else value
    return made


def _constant(text: str) -> _Odd:
    return _Odd("is no number that JSON has")


def _integer(text: str) -> int | _Odd:
    # The length first: int() raises beyond 4,300 digits.
    if len(text) > _INTEGER_DIGITS or not -_MAX_INTEGER <= int(text) < _MAX_INTEGER:
        return _Odd("is too large a number")
    return int(text)


def _number(text: str) -> float | _Odd:
    number = float(text)
    return number if math.isfinite(number) else _Odd("is too large a number")


def _faults(value: object, path: str, depth: int) -> Iterator[FieldFault]:
    if isinstance(value, _Odd):
        yield FieldFault(path, value.message)
    elif isinstance(value, str) and _FORBIDDEN.search(value):
        yield FieldFault(path, "holds U+0000 or half a surrogate pair")
    elif isinstance(value, dict | list) and depth > MAX_DEPTH:
        yield FieldFault(path, f"is nested more than {MAX_DEPTH} deep")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, f"{path}[{number}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if _FORBIDDEN.search(key):
                yield FieldFault(_below(path, key), "has a name with U+0000 or half a pair")
            yield from _faults(item, _below(path, key), depth + 1)


def _first(faults: Iterator[FieldFault]) -> list[FieldFault]:
    return [fault for _, fault in zip(range(MAX_FAULTS), faults, strict=False)]
