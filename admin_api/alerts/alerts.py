"""Alerts: notifications of an inbox's events by webhook or task.

- The secret of a webhook is in the answer that makes it, and in no other.
- An inbox's own webhook is listed here too, with `origin=inbox`; it is changed at the inbox.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.alerts.event_permissions import require_types
from admin_api.alerts.filter_references import REFERENCES, alert_in_path, referred
from admin_api.alerts.payloads import AlertChange, AlertIn, filter_faults, target_faults
from admin_api.alerts.records import alert_record
from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call, acting_inbox
from admin_api.call.paging import Page, page_answer
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from storage.alerts import alerts
from storage.alerts.alerts import OF_INBOX, TASK, Alert, Draft
from storage.database import Tx
from storage.errors import Conflict, Invalid
from storage.ids import to_text

_OFF = {"enabled": False}


class Listing(Page):
    """The alerts to list; an inbox's own webhook has the origin `inbox`."""

    origin: Literal["alert", "inbox"] = "alert"


async def list_alerts(call: Call) -> Response:
    """GET /v1/alerts/: oldest first."""
    page = call.parameters(Listing)
    span = page.span()

    async def work(tx: Tx) -> list[Alert]:
        return await alerts.list_alerts(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            origin=page.origin,
            span=span,
        )

    found = await call.database.read(work)
    return page_answer(call, page, found, alert_record, lambda alert: alert.alert_id)


async def create_alert(call: Call) -> Response:
    """POST /v1/alerts/: for a webhook the only answer that ever shows the secret."""
    payload = call.payload(AlertIn)

    async def work(tx: Tx) -> tuple[Alert, str | None]:
        inbox_id = await acting_inbox(tx, call)
        draft = Draft(
            tuple(dict.fromkeys(payload.events)),
            payload.delivery.type,
            payload.delivery.target,
            payload.filter.chosen,
            payload.enabled,
        )
        made, secret = await alerts.create_alert(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            draft=await _judged(tx, call, draft, AlertIn.model_fields),
            created_by=maker_of(call),
            now=call.now,
        )
        kind, types = made.delivery, list(made.events)
        await note(tx, call, "alert.created", made.alert_id, delivery=kind, events=types)
        return made, secret

    return answer(shown(*await call.database.write(work)), 201)


def maker_of(call: Call) -> str:
    """Return the caller's id: a user's or a token's."""
    caller = call.caller
    if isinstance(caller, Agent):
        return to_text("tok", caller.token.token_id)
    return to_text("usr", caller.user.user_id)


def shown(alert: Alert, secret: str | None) -> Record:
    """Build the record, with a secret that is shown this once."""
    return alert_record(alert) | ({} if secret is None else {"secret": secret})


async def _judged(tx: Tx, call: Call, draft: Draft, given: Collection[str]) -> Draft:
    """Return the draft with its references resolved to ids. Raises Invalid with every fault."""
    faults = [*target_faults(call, draft.delivery, draft.target)]
    faults += filter_faults(draft.filter, draft.events)
    chosen = dict(draft.filter)
    for name in REFERENCES:
        # A filter that was not sent stays, even if its list or thread is deleted since.
        if name in chosen and "filter" in given:
            try:
                chosen[name] = await referred(tx, call, f"filter.{name}", chosen[name])
            except Invalid as error:
                faults += error.faults
    if faults:
        raise Invalid(*faults)
    return Draft(draft.events, draft.delivery, draft.target, chosen, draft.enabled)


async def show_alert(call: Call) -> Response:
    """GET /v1/alerts/{alert_id}/."""
    return answer(alert_record(await call.database.read(lambda tx: locate(tx, call))))


async def change_alert(call: Call) -> Response:
    """PATCH /v1/alerts/{alert_id}/: a new target, or enabling, makes it active again."""
    payload = call.payload(AlertChange)
    given = payload.model_fields_set

    async def work(tx: Tx) -> tuple[Alert, str | None]:
        alert = await locate_to_change(tx, call)
        # Fields first, then whose alert it is: 400 comes before 409.
        draft = await _judged(tx, call, _changed(alert, payload), given)
        _require_own(alert)
        if not given:
            return alert, None
        revive = draft.enabled and bool(given & {"enabled", "delivery"})
        changed, secret = await alerts.update_alert(
            tx,
            alert=alert,
            draft=draft,
            now=call.now,
            revived_by=maker_of(call) if revive else None,
        )
        await _note_change(tx, call, alert, changed, given)
        return changed, secret

    return answer(shown(*await call.database.write(work)))


async def _note_change(
    tx: Tx, call: Call, alert: Alert, changed: Alert, given: Collection[str]
) -> None:
    if replace(alert, updated_at=changed.updated_at) != changed:
        fields = differing(given, alert_record(alert), alert_record(changed)) or sorted(given)
        await note(tx, call, "alert.changed", alert.alert_id, fields=fields)


def _changed(alert: Alert, payload: AlertChange) -> Draft:
    given, delivery = payload.model_fields_set, payload.delivery
    return Draft(
        tuple(dict.fromkeys(payload.events)) if "events" in given else alert.events,
        delivery.type if "delivery" in given else alert.delivery,
        delivery.target if "delivery" in given else alert.target,
        payload.filter.chosen if "filter" in given else alert.filter,
        payload.enabled if "enabled" in given else alert.enabled,
    )


async def delete_alert(call: Call) -> Response:
    """DELETE /v1/alerts/{alert_id}/: nothing is sent for it from now on."""

    async def work(tx: Tx) -> None:
        alert = await locate_own(tx, call)
        await alerts.delete_alert(tx, tenant_id=call.tenant_id, alert_id=alert.alert_id)
        await note(tx, call, "alert.deleted", alert.alert_id)

    await call.database.write(work)
    return no_content()


async def renew_secret(call: Call) -> Response:
    """POST /v1/alerts/{alert_id}/webhook-secret/: the former secret signs calls too for a day."""

    async def work(tx: Tx) -> tuple[Alert, str]:
        alert = await locate_own(tx, call)
        require_webhook(alert)
        secret = await alerts.renew_secret(tx, alert=alert, now=call.now)
        await note(tx, call, "alert.secret_renewed", alert.alert_id)
        return await locate(tx, call), secret

    return answer(shown(*await call.database.write(work)))


def require_webhook(alert: Alert) -> None:
    """Raises Conflict `no_webhook` for an alert that makes tasks."""
    if alert.delivery == TASK:
        raise Conflict("no_webhook", "This alert makes tasks; it has no webhook.")


async def locate(tx: Tx, call: Call) -> Alert:
    """Return the acting inbox's alert in the path. Raises NotFound."""
    return await alert_in_path(tx, call)


async def locate_to_change(tx: Tx, call: Call) -> Alert:
    """The same. Raises Problem 403 when it has event types that the caller may not read."""
    alert = await locate(tx, call)
    # Switching off needs no right to read: who lost a scope can still stop what is sent.
    if call.sent and "events" not in call.sent and call.sent != _OFF:
        require_types(call, alert.events)
    return alert


async def locate_own(tx: Tx, call: Call) -> Alert:
    """The same, for changes. Raises Conflict `inbox_webhook` for the inbox's own webhook."""
    alert = await locate(tx, call)
    _require_own(alert)
    return alert


def _require_own(alert: Alert) -> None:
    if alert.origin == OF_INBOX:
        raise Conflict("inbox_webhook", "This is the inbox's own webhook; change it at the inbox.")
