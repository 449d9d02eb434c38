"""What an alert is made of, as a body says it: types, where to, and which of the events.

Faults of all its parts are told at once; what it refers to is judged in the transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from admin_api.event_types import EVENT_TYPES
from admin_api.payload import Payload, Reference
from storage.address import canonical_domain, canonical_or_none
from storage.alert_filters import FITS
from storage.alert_tasks import TITLE_LENGTH
from storage.errors import FieldFault

MOST_EVENTS = 50
TARGET_LENGTH = 2_000


def _event(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError("is no type of event")
    return name


def _sender(text: str) -> str:
    """An address, or every address of a domain, in the form in which they compare."""
    if text.startswith("@"):
        try:
            return "@" + canonical_domain(text[1:])
        except ValueError:
            raise ValueError("is no domain behind its @") from None
    canonical = canonical_or_none(text)
    if canonical is None:
        raise ValueError("is neither an address nor @ and a domain")
    return canonical


EventName = Annotated[
    str, Field(json_schema_extra={"enum": sorted(EVENT_TYPES)}), AfterValidator(_event)
]
EventNames = Annotated[list[EventName], Field(max_length=MOST_EVENTS)]
Target = Annotated[str, Field(min_length=1, max_length=TARGET_LENGTH)]


class DeliveryIn(Payload):
    """A webhook's URL, or the title of a task, with `{fields}`."""

    type: Literal["webhook", "task"]
    target: Target


class FilterIn(Payload):
    """Which of the events: all conditions have to hold."""

    sender: Annotated[str, Field(max_length=320), AfterValidator(_sender)] | None = Field(
        None, alias="from"
    )
    list_id: Reference | None = None
    thread_id: Reference | None = None
    assignee: Reference | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """The conditions that were given, by name."""
        return self.model_dump(by_alias=True, exclude_none=True)


EVERYTHING = FilterIn.model_validate({})


class AlertIn(Payload):
    """An alert to make."""

    events: Annotated[EventNames, Field(min_length=1)]
    delivery: DeliveryIn
    filter: FilterIn = EVERYTHING
    enabled: bool = True


class AlertChange(Payload):
    """What of an alert can change; a field left out stays, one that is given is replaced whole."""

    events: Annotated[EventNames, Field(min_length=1)] = Field(default_factory=list)
    delivery: DeliveryIn | None = None
    filter: FilterIn = EVERYTHING
    enabled: bool = True


def title_faults(target: str) -> Iterable[FieldFault]:
    """What is wrong with the title of a task."""
    if not target.strip():
        yield FieldFault("delivery.target", "must not be empty")
    elif len(target) > TITLE_LENGTH:
        yield FieldFault("delivery.target", f"must have at most {TITLE_LENGTH} characters")
    elif any(ord(character) < 32 or 127 <= ord(character) < 160 for character in target):
        yield FieldFault("delivery.target", "must be one line without control characters")


def filter_faults(chosen: Collection[str], events: Collection[str]) -> Iterable[FieldFault]:
    """The conditions that say nothing about one of the types."""
    for name in chosen:
        if not FITS[name].issuperset(events):
            fitting = ", ".join(sorted(FITS[name]))
            yield FieldFault(f"filter.{name}", f"can be used with these types only: {fitting}")
