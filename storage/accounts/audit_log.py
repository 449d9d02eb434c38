"""The audit log: who did what to which object, when, from where, by which credential.

- An entry is written in the transaction of its act: both are stored, or neither.
- Entries are only added and read; they are deleted after a year, or with their tenant.
- Actor and object are stored with the names of that time; no secret and no text of anybody is in
  it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import orjson

from storage.clock import DAY
from storage.database import Row, Tx
from storage.ids import to_text

KEPT = 365 * DAY

ActorType = Literal["user", "token", "operator"]
Detail = str | int | Sequence[str] | None
Details = Mapping[str, Detail]


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor: `id` and `credential_id` as texts, `client` the address the call came from."""

    kind: ActorType
    id: str | None
    name: str
    credential_id: str | None = None
    client: str | None = None


OPERATOR = Actor("operator", None, "operator")


@dataclass(frozen=True, slots=True)
class Act:
    """One act: the verb (`user.created`), its object, and the inbox it was done for.

    `details` name the given fields, and those values that are neither text nor secret.
    """

    action: str
    object_type: str
    object_id: str
    object_name: str = ""
    inbox_id: bytes | None = None
    details: Details = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Logged:
    """A stored entry; the time in microseconds."""

    entry_id: bytes
    actor: Actor
    act: Act
    created_at: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The entries to list; None leaves a condition out. `until` is not included.

    `action` is a verb, or its first part (`user`) for all of that kind; `actor` and `object_id` are
    ids as shown, or the actor's name.
    """

    actor: str | None = None
    action: str | None = None
    object_id: str | None = None
    inbox_id: bytes | None = None
    since: int | None = None
    until: int | None = None


async def record_act(tx: Tx, *, tenant_id: bytes, actor: Actor, act: Act, now: int) -> None:
    """Record one act."""
    await tx.execute(
        """
        INSERT INTO audit_log
            (tenant_id, entry_id, action, actor_type, actor_id, actor_name, credential_id, client,
             object_type, object_id, object_name, inbox_id, details, created_at)
        VALUES
            (:tenant_id, :entry_id, :action, :actor_type, :actor_id, :actor_name, :credential_id,
             :client, :object_type, :object_id, :object_name, :inbox_id, :details, :now)
        """,
        {
            "tenant_id": tenant_id,
            "entry_id": tx.new_id(),
            "action": act.action,
            "actor_type": actor.kind,
            "actor_id": actor.id,
            "actor_name": actor.name,
            "credential_id": actor.credential_id,
            "client": actor.client,
            "object_type": act.object_type,
            "object_id": act.object_id,
            "object_name": act.object_name,
            "inbox_id": act.inbox_id,
            "details": orjson.dumps(dict(act.details)).decode(),
            "now": now,
        },
    )


async def list_acts(
    tx: Tx, *, tenant_id: bytes, wanted: AuditFilter, before: bytes | None, limit: int
) -> list[Logged]:
    """Return the tenant's entries below `before`, newest first, at most `limit`."""
    chosen = {name: value for name, value in _values(wanted).items() if value is not None}
    conditions = [_CONDITIONS[name] for name in chosen]
    if before is not None:
        conditions.append("entry_id < :before")
    rows = await tx.fetch_all(
        f"""
        SELECT entry_id, action, actor_type, actor_id, actor_name, credential_id, client,
               object_type, object_id, object_name, inbox_id, details, created_at
        FROM audit_log WHERE {" AND ".join(["tenant_id = :tenant_id", *conditions])}
        ORDER BY entry_id DESC LIMIT :limit
        """,
        {**chosen, "tenant_id": tenant_id, "before": before, "limit": limit},
    )
    return [_logged(row) for row in rows]


def _values(wanted: AuditFilter) -> dict[str, object]:
    whole = wanted.action is not None and "." in wanted.action
    return {
        "actor": wanted.actor,
        "action": wanted.action if whole else None,
        "noun": None if whole else wanted.action,
        "object_id": wanted.object_id,
        "inbox_id": wanted.inbox_id,
        "since": wanted.since,
        "until": wanted.until,
    }


_CONDITIONS = {
    "actor": "(actor_id = :actor OR actor_name = :actor)",
    "action": "action = :action",
    "noun": "action > :noun || '.' AND action < :noun || '/'",  # what follows the dot
    "object_id": "object_id = :object_id",
    "inbox_id": "inbox_id = :inbox_id",
    "since": "created_at >= :since",
    "until": "created_at < :until",
}


def _logged(row: Row) -> Logged:
    actor = Actor(
        row["actor_type"], row["actor_id"], row["actor_name"], row["credential_id"], row["client"]
    )
    inbox_id = row["inbox_id"]
    act = Act(
        action=row["action"],
        object_type=row["object_type"],
        object_id=row["object_id"],
        object_name=row["object_name"],
        inbox_id=None if inbox_id is None else bytes(inbox_id),
        details=orjson.loads(row["details"]),
    )
    return Logged(bytes(row["entry_id"]), actor, act, row["created_at"])


PREFIXES = {
    "tenant": "tnt",
    "user": "usr",
    "domain": "dom",
    "inbox": "inb",
    "token": "tok",
    "list": "lst",
    "template": "tpl",
    "share": "shr",
    "contact": "ctc",
    "message": "msg",
    "thread": "thr",
    "alert": "alr",
    "approval": "apr",
}


def act_of(
    action: str,
    raw_id: bytes,
    *,
    name: str = "",
    inbox_id: bytes | None = None,
    details: Details | None = None,
) -> Act:
    """Build the act of this verb; the part before its dot is the kind of its object."""
    kind = action.partition(".")[0]
    object_id = to_text(PREFIXES[kind], raw_id)
    return Act(action, kind, object_id, name, inbox_id, details or {})
