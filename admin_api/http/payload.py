"""Request bodies and query parameters as pydantic models, with every fault collected.

- Unknown fields and parameters are faults; nothing is coerced: `"true"` is no boolean in a body.
- A fault's message never holds the value that was sent.
- Whether a named object exists is not checked here: that needs the store
  (`admin_api.call.references`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, get_args
from urllib.parse import unquote_to_bytes

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from admin_api.http.strict_json import JsonValue, field_path
from admin_api.http.texts import NAME_LENGTH, SIGNATURE_LENGTH, not_blank, one_line, some_lines
from storage.address import Address, parse_address
from storage.clock import parse_rfc3339, rfc3339
from storage.errors import FieldFault, Invalid

MAX_PARAMETERS = 100


class Given(BaseModel):
    """The input of a client: a body or a query."""

    # A model is built for its first call: to build them all is a good part of a start.
    # A misspelt field is a fault: passed over, it would change nothing and nobody would know.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)
    # Fields of the record that a change of it does not take.
    fixed: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        """An optional field that is null counts as left out, unless null is a value of it."""
        return without_nulls(cls, given) if isinstance(given, dict) else given

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        """Yield the faults in how fields go together, besides those of each field."""
        return ()


def without_nulls(model: type[Given], given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The given fields without the optional fields that are null and cannot be."""
    if None not in given.values():
        return dict(given)
    droppable = {
        field.alias or name
        for name, field in model.model_fields.items()
        if not field.is_required() and type(None) not in get_args(field.annotation)
    }
    return {
        name: value for name, value in given.items() if value is not None or name not in droppable
    }


class Payload(Given):
    """The body of a call."""


class Parameters(Given):
    """The query of a call; `inbox_id`, which names the acting inbox, is taken out before."""


def checked(read: Callable[[str], object]) -> AfterValidator:
    """Turn a parser of texts into a check: an Invalid it raises is a fault of the field."""

    def check(text: str) -> str:
        try:
            read(text)
        except Invalid as error:
            raise ValueError(error.faults[0].message) from None
        return text

    return AfterValidator(check)


def _own_address(text: str) -> str:
    """Check an address that is to become one of ours; it stays as typed."""
    try:
        parse_address(text, for_creation=True)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return text


def _address(text: str) -> str:
    """Check somebody's address, of any domain; it stays as typed."""
    try:
        parse_address(text)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return text


def _instant(text: str) -> str:
    try:
        rfc3339(parse_rfc3339(text))  # in UTC its year may not have four digits
    except (ValueError, OverflowError):
        raise ValueError("must be a date-time with an offset, as 2026-01-31T12:00:00Z") from None
    return text


def whole_number(value: object) -> object:
    """Read a parameter as a number: plain ASCII digits only (int() takes more)."""
    # int() also takes " 7", "1_000" and Arabic digits; beyond 4,300 digits it raises.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value


def _truth(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


OneLine = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(one_line)]
Signature = Annotated[str, Field(max_length=SIGNATURE_LENGTH), AfterValidator(some_lines)]
Name = Annotated[OneLine, AfterValidator(not_blank)]
EmailAddress = Annotated[str, Field(max_length=320), AfterValidator(_address)]
OwnAddress = Annotated[str, Field(max_length=320), AfterValidator(_own_address)]
ReferenceText = Annotated[str, Field(min_length=1, max_length=320)]
Instant = Annotated[str, Field(max_length=40), AfterValidator(_instant)]
Limit = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=200)]
Truth = Annotated[bool, BeforeValidator(_truth)]


def address_of(text: str) -> Address:
    """Return the address behind an `OwnAddress`."""
    return parse_address(text, for_creation=True)


def instant_of(text: str | None) -> int | None:
    """Return the time behind an `Instant`, in microseconds; None for none."""
    return None if text is None else parse_rfc3339(text)


@dataclass(frozen=True, slots=True)
class Form:
    """A validated body or query: `value` when it has no `faults`."""

    model: type[Given]
    given: Mapping[str, JsonValue]
    value: Given | None
    faults: list[FieldFault]

    def texts(self, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Return the well-formed strings of a field, or of its array, with their places."""
        value: JsonValue = dict(self.given)
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        field = field_path(path)
        faulty = {fault.field for fault in self.faults}
        places = {field: value}
        if isinstance(value, list) and field not in faulty:
            places = {f"{field}[{place}]": one for place, one in enumerate(value)}
        for place, one in places.items():
            if isinstance(one, str) and place not in faulty:
                yield place, one


def read(
    model: type[Given], given: Mapping[str, JsonValue], known: Sequence[FieldFault] = ()
) -> Form:
    """Validate the input with this model, with every fault; `known` are those found before."""
    value, faults = None, []
    given = without_nulls(model, given)
    try:
        value = model.model_validate(dict(given))
    except ValidationError as error:
        # The input may be a password, or a name from another tenant: it has no place in an answer.
        found = error.errors(include_url=False, include_input=False)
        faults += [FieldFault(field_path(one["loc"]), _message(model, one)) for one in found]
    faults += model.between(given)
    told = {fault.field for fault in known}
    faults = [*known, *(fault for fault in faults if fault.field not in told)]
    return Form(model, given, None if faults else value, faults)


def _message(model: type[Given], error: ErrorDetails) -> str:
    """The sentence for a fault; a field of the record that no change takes says so."""
    is_fixed = error["type"] == "extra_forbidden" and error["loc"][-1] in model.fixed
    return "cannot be changed" if is_fixed and len(error["loc"]) == 1 else message_of(error)


def read_query(raw: bytes) -> tuple[dict[str, JsonValue], list[FieldFault]]:
    """Return the parameters of a query string, and its faults as such."""
    given: dict[str, JsonValue] = {}
    faults = []
    pairs = [pair for pair in raw.split(b"&") if pair]
    # Before anything is decoded: a URL of 32 KiB holds 16,000 pairs.
    if len(pairs) > MAX_PARAMETERS:
        return {}, [FieldFault("(query)", f"holds more than {MAX_PARAMETERS} parameters")]
    for name, value in (map(_decoded, pair.partition(b"=")[::2]) for pair in pairs):
        if name is None:
            faults.append(FieldFault("(query)", "holds a name that is not percent-encoded UTF-8"))
        elif message := _why_odd(value, known=name in given):
            faults.append(FieldFault(field_path((name,)), message))
        if name is not None:
            given[name] = value
    return given, faults


def _decoded(raw: bytes) -> str | None:
    """Return None for text that is not percent-encoded UTF-8."""
    try:
        return unquote_to_bytes(raw.decode("ascii").replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _why_odd(text: str | None, *, known: bool) -> str | None:
    if known:
        return "occurs more than once"
    if text is None:
        return "is not percent-encoded UTF-8"
    return "holds U+0000" if "\x00" in text else None


ANYTHING_ELSE = "is not valid"

_WORDING = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} characters at most",
    "string_pattern_mismatch": "is not of the form that is asked for",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "list_type": "must be an array",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} entries at most",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


def message_of(error: ErrorDetails) -> str:
    """Return the message of a fault; our own checks bring theirs."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    return _WORDING.get(error["type"], ANYTHING_ELSE).format(**context)
