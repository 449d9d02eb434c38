"""What comes in: bodies and query parameters as pydantic models, every fault at once.

- Unknown fields and parameters are faults; nothing is coerced: `"true"` is no boolean in a body.
- A fault's message never holds what was sent.
- Whether what is named exists is not judged here: that needs the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from admin_api.passwords import check_password
from admin_api.strict_json import MAX_FAULTS, JsonValue, field_path
from storage.address import Address, parse_address
from storage.clock import parse_rfc3339, rfc3339
from storage.errors import FieldFault

MAX_PARAMETERS = 100


class Payload(BaseModel):
    """The body of a call."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Parameters(BaseModel):
    """The query of a call; `inbox_id`, which says who acts, is taken before."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _one_line(text: str) -> str:
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise ValueError("must be one line without control characters")
    return text


def _own_address(text: str) -> str:
    """An address that is to become one of ours; kept as it was typed."""
    try:
        parse_address(text, for_creation=True)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return text


def _address(text: str) -> str:
    """Somebody's address, wherever it is; kept as it was typed."""
    try:
        parse_address(text)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return text


def _password(text: str) -> str:
    fault = check_password(text)
    if fault:
        raise ValueError(fault)
    return text


def _instant(text: str) -> str:
    try:
        rfc3339(parse_rfc3339(text))  # in UTC it may be of a year that has no four digits
    except (ValueError, OverflowError):
        raise ValueError("must be a date-time with an offset, as 2026-01-31T12:00:00Z") from None
    return text


def whole_number(value: object) -> object:
    """A parameter is text; only plain ASCII digits are a number (int() takes more)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value


def _truth(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


OneLine = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Name = Annotated[OneLine, AfterValidator(_not_empty)]
EmailAddress = Annotated[str, Field(max_length=320), AfterValidator(_address)]
OwnAddress = Annotated[str, Field(max_length=320), AfterValidator(_own_address)]
Reference = Annotated[str, Field(min_length=1, max_length=320)]
Instant = Annotated[str, Field(max_length=40), AfterValidator(_instant)]
NewPassword = Annotated[str, Field(max_length=1024), AfterValidator(_password)]
Limit = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=200)]
Truth = Annotated[bool, BeforeValidator(_truth)]

M = TypeVar("M", bound=BaseModel)


def address_of(text: str) -> Address:
    """The address behind an `OwnAddress`."""
    return parse_address(text, for_creation=True)


def read(model: type[M], given: Mapping[str, JsonValue]) -> tuple[M | None, list[FieldFault]]:
    """The model, or every fault of what was given (the first hundred of them)."""
    try:
        return model.model_validate(dict(given)), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, [_fault(one) for one in found[:MAX_FAULTS]]


def _fault(error: ErrorDetails) -> FieldFault:
    return FieldFault(field_path(error["loc"]), _message(error))


def _message(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "value_error":
        return str(error.get("ctx", {})["error"])
    return _MESSAGES.get(kind) or error["msg"].replace("Input should", "should", 1)


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "list_type": "must be an array",
}


def read_query(raw: bytes) -> tuple[dict[str, JsonValue], list[FieldFault]]:
    """The parameters of a query string, and what is wrong with it as such."""
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        return {}, [FieldFault("(query)", "is not percent-encoded UTF-8, or holds too much")]
    given: dict[str, JsonValue] = dict(pairs)
    return given, [*_odd_parameters(pairs)]


def _odd_parameters(pairs: Iterable[tuple[str, str]]) -> Iterable[FieldFault]:
    seen = set()
    for name, value in pairs:
        if name in seen:
            yield FieldFault(field_path((name,)), "is there more than once")
        elif "\x00" in value:
            yield FieldFault(field_path((name,)), "holds U+0000")
        seen.add(name)
