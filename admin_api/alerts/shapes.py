"""Response shapes of alerts and their deliveries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    AlertId,
    Answer,
    Count,
    Cursor,
    DeliveryId,
    Described,
    EventId,
    InboxId,
    Time,
    TokenId,
    UserId,
)

Secret = Annotated[
    str,
    Field(
        pattern=r"^whsec_[A-Za-z0-9+/]{43}=$",
        examples=["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
    ),
]
Filter = Annotated[
    dict[Literal["from", "list_id", "thread_id", "assignee", "verdict"], str],
    Field(examples=[{"from": "@sender.example"}]),
]
EventName = Annotated[str, Field(examples=["message.received"])]


class AlertDelivery(Answer):
    """The target: a webhook's URL, or the title of a task."""

    type: Annotated[Literal["webhook", "task"], Field(examples=["webhook"])]
    target: Annotated[str, Field(examples=["https://hooks.example/postroom"])]


class AlertRecord(Answer):
    """An alert; never its secret."""

    alert_id: AlertId
    inbox_id: InboxId
    events: list[EventName]
    delivery: AlertDelivery
    filter: Filter
    enabled: bool
    status: Annotated[Literal["active", "disabled"], Field(examples=["active"])]
    last_error: Annotated[str | None, Field(examples=[None])]
    created_by: UserId | TokenId | None
    created_at: Time
    updated_at: Time


class ShownAlert(AlertRecord):
    """An alert with the secret of its webhook, which is shown this once."""

    secret: Secret | None = None


class DeliveryRecord(Answer):
    """One event with a pending or finished delivery to a webhook."""

    delivery_id: DeliveryId
    alert_id: AlertId
    event_id: EventId
    type: EventName
    status: Annotated[
        Literal["pending", "delivered", "failed", "dropped"], Field(examples=["delivered"])
    ]
    attempts: Count
    last_attempt_at: Time | None
    next_attempt_at: Time | None
    last_status: Annotated[int | None, Field(examples=[204])]
    last_error: Annotated[str | None, Field(examples=[None])]
    created_at: Time
    finished_at: Time | None


class DeliveryPage(Answer):
    """A page of deliveries, newest first."""

    results: list[DeliveryRecord]
    cursor: Cursor | None


class TestResult(Answer):
    """The result of one request: the status of the response, or the reason why there was none."""

    delivered: bool
    status: Annotated[int | None, Field(examples=[204])]
    error: Annotated[str | None, Field(examples=[None])]
    milliseconds: Count


DESCRIBED: dict[str, Described] = {
    "GET /v1/alerts/": Described(AlertRecord, many=True),
    "POST /v1/alerts/": Described(
        ShownAlert,
        (201,),
        body={
            "events": ["message.received"],
            "delivery": {"type": "task", "target": "New mail from {from}"},
            "filter": {"from": "@sender.example"},
        },
        conflicts=("too_many_alerts",),
        refusals=("plan_required", "governance_required"),
    ),
    "GET /v1/alerts/{alert_id}/": Described(AlertRecord),
    "PATCH /v1/alerts/{alert_id}/": Described(
        ShownAlert,
        body={"enabled": False},
        conflicts=("inbox_webhook",),
        refusals=("plan_required", "governance_required"),
    ),
    "DELETE /v1/alerts/{alert_id}/": Described(status=(204,), conflicts=("inbox_webhook",)),
    "POST /v1/alerts/{alert_id}/webhook-secret/": Described(
        ShownAlert, conflicts=("inbox_webhook", "no_webhook")
    ),
    "GET /v1/alerts/{alert_id}/deliveries/": Described(DeliveryPage),
    "POST /v1/alerts/{alert_id}/deliveries/{delivery_id}/redeliver/": Described(
        DeliveryRecord, conflicts=("alert_off", "event_gone")
    ),
    "POST /v1/alerts/{alert_id}/test/": Described(TestResult, conflicts=("no_webhook",)),
}
