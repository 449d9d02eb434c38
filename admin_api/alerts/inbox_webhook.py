"""The webhook of an inbox itself: `webhook_url` with `webhook_events`.

- Its URL may hold a secret, so it is shown only to callers that may act for the inbox; to a token
  only with a scope of alerts.
- A new URL is a new endpoint: it gets a new secret, and no pending delivery of the former one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.alerts.alerts import maker_of
from admin_api.call.audit_trail import note
from admin_api.call.call import Call
from admin_api.http.records import Record
from admin_api.http.responses import answer
from storage.alerts import alerts
from storage.alerts.alerts import Alert
from storage.alerts.inbox_webhook import set_inbox_webhook, webhook_of_inbox
from storage.database import Tx
from storage.directory.inboxes import Inbox
from storage.errors import Conflict, FieldFault, Invalid
from storage.ids import to_text

FIELDS = frozenset({"webhook_url", "webhook_events"})

_SCOPES = {"alerts:read", "alerts:write"}


class Settings(Protocol):
    """The webhook fields in a change of an inbox."""

    @property
    def webhook_url(self) -> str | None: ...
    @property
    def webhook_events(self) -> list[str]: ...
    @property
    def model_fields_set(self) -> set[str]: ...


def may_see(call: Call) -> bool:
    """Whether the caller may see the webhook of an inbox that they may act for."""
    caller = call.caller
    return not isinstance(caller, Agent) or bool(_SCOPES & set(caller.token.scopes))


async def set_webhook(
    tx: Tx, call: Call, inbox: Inbox, change: Settings
) -> tuple[list[str], str | None]:
    """Change the given webhook fields; the changed ones, and the secret of a new URL.

    Raises Invalid.
    """
    given = change.model_fields_set
    key = {"tenant_id": call.tenant_id, "inbox_id": inbox.inbox_id}
    known = await webhook_of_inbox(tx, **key)
    url = None if known is None else known.target
    if "webhook_url" in given:
        url = change.webhook_url
    _check(call, change, url)
    changed, secret = await set_inbox_webhook(
        tx,
        **key,
        url=url,
        events=_events(change, known),
        created_by=maker_of(call),
        # To send the same URL again is how an owner revives a webhook that failed too often.
        revive="webhook_url" in given,
        now=call.now,
    )
    return _differing(known, changed), secret


def _differing(before: Alert | None, after: Alert | None) -> list[str]:
    """Return the changed fields; enabling it again counts as a change of `webhook_url`."""
    fields = [] if _endpoint(before) == _endpoint(after) else ["webhook_url"]
    return fields if _types(before) == _types(after) else [*fields, "webhook_events"]


def _endpoint(alert: Alert | None) -> Alert | None:
    return None if alert is None else replace(alert, events=(), updated_at=0)


def _types(alert: Alert | None) -> tuple[str, ...]:
    return () if alert is None else alert.events


def _check(call: Call, change: Settings, url: str | None) -> None:
    faults = []
    if url is None and change.webhook_events:
        faults.append(FieldFault("webhook_events", "needs a webhook_url"))
    if change.webhook_url is not None:
        wrong = call.service.webhooks.check(change.webhook_url)
        faults += [] if wrong is None else [FieldFault("webhook_url", wrong)]
    if faults:
        raise Invalid(*faults)


def _events(change: Settings, known: Alert | None) -> tuple[str, ...]:
    if "webhook_events" in change.model_fields_set:
        return tuple(dict.fromkeys(change.webhook_events))
    return _types(known)


async def renew_secret(tx: Tx, call: Call, inbox: Inbox) -> str:
    """Make a new secret for the webhook of an inbox. Raises Conflict `no_webhook`."""
    key = {"tenant_id": call.tenant_id, "inbox_id": inbox.inbox_id}
    known = await webhook_of_inbox(tx, **key)
    if known is None:
        raise Conflict("no_webhook", "This inbox has no webhook_url.")
    secret = await alerts.renew_secret(tx, alert=known, now=call.now)
    await note(tx, call, "inbox.secret_renewed", inbox.inbox_id, name=inbox.address)
    return secret


def secret_answer(inbox: Inbox, secret: str) -> Response:
    """Build the one answer that shows the secret."""
    record: Record = {"inbox_id": to_text("inb", inbox.inbox_id), "webhook_secret": secret}
    return answer(record)
