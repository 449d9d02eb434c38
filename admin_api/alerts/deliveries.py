"""Webhook deliveries of an alert: the list, sending one again, and a test call."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.alerts.alerts import locate, require_webhook
from admin_api.call.audit_trail import note
from admin_api.call.call import Call
from admin_api.call.paging import cursor_answer, position_of
from admin_api.http.payload import Limit, Parameters
from admin_api.http.records import Record, time_or_none
from admin_api.http.responses import answer
from storage.alerts.alerts import Alert
from storage.clock import rfc3339
from storage.database import Tx
from storage.ids import to_text
from storage.notifications import webhook_deliveries
from storage.notifications.webhook_deliveries import Delivery


class Listing(Parameters):
    """The page of deliveries to list."""

    limit: Limit = 50
    cursor: str | None = None


async def list_deliveries(call: Call) -> Response:
    """GET /v1/alerts/{alert_id}/deliveries/: newest first; none for an alert that makes tasks."""
    listing = call.parameters(Listing)
    before = position_of(listing.cursor)

    async def work(tx: Tx) -> list[Delivery]:
        alert = await locate(tx, call)
        return await webhook_deliveries.list_deliveries(
            tx, alert=alert, before=before, limit=listing.limit + 1
        )

    found = await call.database.read(work)
    return cursor_answer(found, listing.limit, delivery_record, lambda one: one.delivery_id)


def delivery_record(delivery: Delivery) -> Record:
    """One delivery; of the endpoint's response only the status."""
    return {
        "delivery_id": to_text("dlv", delivery.delivery_id),
        "alert_id": to_text("alr", delivery.alert_id),
        "event_id": to_text("evt", delivery.event_id),
        "type": delivery.type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "last_attempt_at": time_or_none(delivery.attempted_at),
        "next_attempt_at": time_or_none(delivery.next_attempt_at),
        # Never the body: a webhook to an inner server would show its answers to the caller.
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": rfc3339(delivery.created_at),
        "finished_at": time_or_none(delivery.finished_at),
    }


async def redeliver(call: Call) -> Response:
    """POST /v1/alerts/{alert_id}/deliveries/{delivery_id}/redeliver/: behind the pending ones."""

    async def work(tx: Tx) -> Delivery:
        alert, known = await _located(tx, call)
        again = await webhook_deliveries.redeliver(
            tx, alert=alert, delivery_id=known.delivery_id, now=call.now
        )
        event_id = to_text("evt", again.event_id)
        await note(tx, call, "alert.redelivered", alert.alert_id, event_id=event_id)
        return again

    return answer(delivery_record(await call.database.write(work)))


async def test_alert(call: Call) -> Response:
    """POST /v1/alerts/{alert_id}/test/: one signed request, and its result."""
    alert = await call.database.read(lambda tx: locate(tx, call))
    require_webhook(alert)
    # Outside of a transaction: the endpoint may take 15 s to answer.
    tried = await call.service.webhooks.test(alert)
    return answer(
        {
            "delivered": tried.delivered,
            "status": tried.status,
            "error": tried.error,
            "milliseconds": tried.milliseconds,
        }
    )


async def locate_delivery(tx: Tx, call: Call) -> Delivery:
    """Return the delivery in the path. Raises NotFound."""
    _, delivery = await _located(tx, call)
    return delivery


async def _located(tx: Tx, call: Call) -> tuple[Alert, Delivery]:
    alert = await locate(tx, call)
    delivery_id = call.path_id("dlv", "delivery_id")
    found = await webhook_deliveries.find_delivery(tx, alert=alert, delivery_id=delivery_id)
    return alert, found
