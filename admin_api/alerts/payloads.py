"""Request bodies of alerts: types, delivery and filter.

Faults of all parts are collected; references are resolved in the transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from admin_api.alerts.filter_references import Referred
from admin_api.alerts.shapes import ShownAlert
from admin_api.call.call import Call
from admin_api.call.references import Reference
from admin_api.http.payload import Payload
from admin_api.http.shapes import fields_of
from admin_api.http.strict_json import JsonValue
from storage.address import canonical_domain, canonical_or_none
from storage.alerts.alerts import TASK, WEBHOOK
from storage.authentication.results import VERDICTS
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.events.catalogue import EVENT_TYPES
from storage.notifications.alert_tasks import TITLE_LENGTH
from storage.notifications.filters import FITS

MOST_EVENTS = 50
TARGET_LENGTH = 2_000


def _event(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError("is no type of event")
    return name


def _sender(text: str) -> str:
    """Normalise an address, or `@domain` for every address of a domain, to its canonical form."""
    if text.startswith("@"):
        try:
            return "@" + canonical_domain(text[1:])
        except ValueError:
            raise ValueError("is no domain behind its @") from None
    canonical = canonical_or_none(text) or _unquoted(text)
    if canonical is None:
        raise ValueError("is neither an address nor @ and a domain")
    return canonical


def _unquoted(text: str) -> str | None:
    """Return an address whose local part needs quotes in the form in which it is shown: without."""
    local_part, _, domain = text.rpartition("@")
    escaped = local_part.replace("\\", "\\\\").replace('"', '\\"')
    return text if local_part and canonical_or_none(f'"{escaped}"@{domain}') == text else None


def _verdicts(text: str) -> str:
    """Normalise verdicts with commas between them: each once, in the order of the catalogue."""
    named = {word.strip() for word in text.split(",")}
    if not named <= {*VERDICTS}:
        raise ValueError(f"must be of {', '.join(VERDICTS)}, with commas between")
    return ",".join(one for one in VERDICTS if one in named)


async def _target(tx: Tx, call: Call, field: str, text: str) -> None:
    """Accept a delivery target; the type beside it decides whether it is a URL."""
    delivery = call.sent.get("delivery")
    kind = delivery.get("type") if isinstance(delivery, dict) else None
    faults = [*target_faults(call, str(kind), text)]
    if faults:
        raise Invalid(*faults)


async def _url(tx: Tx, call: Call, field: str, text: str) -> None:
    """Accept the URL of an inbox's own webhook."""
    if fault := call.service.webhooks.check(text):
        raise Invalid(FieldFault(field, fault))


EventName = Annotated[
    str, Field(json_schema_extra={"enum": sorted(EVENT_TYPES)}), AfterValidator(_event)
]
EventNames = Annotated[list[EventName], Field(max_length=MOST_EVENTS)]
Target = Annotated[str, Field(min_length=1, max_length=TARGET_LENGTH)]
WebhookUrl = Annotated[Target, Reference(_url)]


class DeliveryIn(Payload):
    """A webhook's URL, or the title of a task, with `{fields}`."""

    type: Literal["webhook", "task"]
    target: Annotated[Target, Reference(_target)]


class FilterIn(Payload):
    """Conditions on events: all given ones must hold; none of them is null."""

    sender: Annotated[str, Field(max_length=320), AfterValidator(_sender)] = Field("", alias="from")
    list_id: Referred = ""
    thread_id: Referred = ""
    assignee: Referred = ""
    verdict: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_verdicts)] = ""

    @property
    def chosen(self) -> dict[str, str]:
        """Return the given conditions, by name."""
        return self.model_dump(by_alias=True, exclude_unset=True)


EVERYTHING = FilterIn.model_construct()


class AlertIn(Payload):
    """An alert to make."""

    events: Annotated[EventNames, Field(min_length=1)]
    delivery: DeliveryIn
    filter: FilterIn = EVERYTHING
    enabled: bool = True

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        return _unfit(given)


def _unfit(given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
    conditions, types = given.get("filter"), given.get("events")
    if isinstance(conditions, dict) and isinstance(types, list):
        known = [one for one in types if isinstance(one, str) and one in EVENT_TYPES]
        yield from filter_faults([*filter(FITS.__contains__, conditions)], known)


class AlertChange(Payload):
    """The changeable fields of an alert; a field left out stays, a given one is replaced whole."""

    fixed = fields_of(ShownAlert)

    events: Annotated[EventNames, Field(min_length=1)] = Field(default_factory=list)
    delivery: DeliveryIn = DeliveryIn.model_construct(type="task", target="")
    filter: FilterIn = EVERYTHING
    enabled: bool = True

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        return _unfit(given)


def target_faults(call: Call, delivery: str, target: str) -> Iterable[FieldFault]:
    """Return the faults of a delivery target."""
    if delivery == TASK:
        yield from title_faults(target)
    elif delivery == WEBHOOK and (fault := call.service.webhooks.check(target)):
        yield FieldFault("delivery.target", fault)


def title_faults(target: str) -> Iterable[FieldFault]:
    """Return the faults of a task's title."""
    if not target.strip():
        yield FieldFault("delivery.target", "must not be empty")
    elif len(target) > TITLE_LENGTH:
        yield FieldFault("delivery.target", f"must have at most {TITLE_LENGTH} characters")
    elif any(ord(character) < 32 or 127 <= ord(character) < 160 for character in target):
        yield FieldFault("delivery.target", "must be one line without control characters")


def filter_faults(chosen: Collection[str], events: Collection[str]) -> Iterable[FieldFault]:
    """Return the conditions that do not fit one of the types."""
    for name in chosen:
        # A condition on what an event lacks never holds: the alert would be silent, unnoticed.
        if not FITS[name].issuperset(events):
            fitting = ", ".join(sorted(FITS[name]))
            yield FieldFault(f"filter.{name}", f"can be used with these types only: {fitting}")
