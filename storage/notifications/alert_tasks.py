"""Alerts as tasks: the task on the agenda that an event makes.

- The title is filled in by the rules of templates: one pass, values are not expanded again, a name
  without a value stays as it is. It is one line of at most 200 characters.
- A task stays within the inbox, so it may show visible fields of the message or thread: `{from}`,
  `{from_name}` and `{list}` (the first list by which the copy came) for new mail, `{subject}` for
  events of a thread, `{by}` for acts of a teammate; `{type}` and `{inbox}` always.
- A task made by an alert never triggers an alert, neither when it is made nor when it is completed.
"""

from __future__ import annotations

import re

from storage.alerts.alerts import Alert
from storage.database import Tx
from storage.errors import NotFound
from storage.events.log import Event
from storage.mailbox.visibility import View, find_message, thread_subject
from storage.teamwork.tasks import Draft, create_task
from storage.teamwork.templates import fill

KIND = "alert"
TITLE_LENGTH = 200

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


async def make_alert_task(tx: Tx, *, alert: Alert, event: Event, now: int) -> bytes:
    """Make the task that notifies the alert's inbox of the event; its id."""
    values = await _values(tx, View(alert.tenant_id, alert.inbox_id, now), event)
    draft = Draft(
        KIND,
        titled(alert.target, values) or event.type,
        thread_id=event.thread_id,
        contact_id=event.contact_id,
        share_id=event.share_id,
    )
    return await create_task(
        tx,
        tenant_id=alert.tenant_id,
        inbox_id=alert.inbox_id,
        draft=draft,
        created_by=None,
        now=now,
    )


def titled(target: str, values: dict[str, str]) -> str:
    """Fill in the title of a target with these values."""
    title = _SPACE.sub(" ", fill(target, values)).strip()
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"


async def _values(tx: Tx, view: View, event: Event) -> dict[str, str]:
    values = {"type": event.type}
    for name, inbox_id in (("inbox", view.inbox_id), ("by", event.by_inbox_id)):
        address = await _address(tx, view.tenant_id, inbox_id)
        values |= {name: address} if address else {}
    if event.message_id is not None:
        return values | await _of_message(tx, view, event.message_id)
    if event.thread_id is not None:
        subject = await thread_subject(tx, view=view, thread_id=event.thread_id)
        values["subject"] = subject.strip() or "(no subject)"
    return values


async def _of_message(tx: Tx, view: View, message_id: bytes) -> dict[str, str]:
    try:
        copy = await find_message(tx, view=view, message_id=message_id)
    except NotFound:
        return {}
    values = {
        "from": copy.sender.email or copy.reverse_path,
        "from_name": copy.sender.name or copy.sender.email,
        "subject": copy.subject.strip() or "(no subject)",
    }
    lists = [route.address for route in copy.routes if route.list_id is not None]
    return values | ({"list": lists[0]} if lists else {})


async def _address(tx: Tx, tenant_id: bytes, inbox_id: bytes | None) -> str | None:
    row = await tx.fetch_one(
        "SELECT address FROM inboxes WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    return str(row["address"]) if row else None
