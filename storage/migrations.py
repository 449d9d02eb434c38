"""The schema, as numbered steps.

- A step is a function `m001_…(tx)`; it runs once, in one transaction with the record that it ran.
- Steps never change after a release; a new wish is a new step.
- A store written by a newer release is refused, not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from storage.database import Database, Tx
from storage.errors import StoreUnavailable

Step = Callable[[Tx], Coroutine[Any, Any, None]]


async def migrate(database: Database, *, now: int) -> int:
    """Bring the store up to this release; the number of steps that were run.

    Raises StoreUnavailable when the store is from a newer release.
    """
    await database.write(_ensure_record)
    done = 0
    for number, step in enumerate(STEPS, start=1):

        async def run(tx: Tx, number: int = number, step: Step = step) -> int:
            return await _run_once(tx, number, step, now)

        done += await database.write(run)
    if await version(database) > len(STEPS):
        raise StoreUnavailable("the store was written by a newer release of Postroom")
    return done


async def version(database: Database) -> int:
    """The number of the last step this store has."""

    async def highest(tx: Tx) -> int:
        row = await tx.fetch_one("SELECT COALESCE(MAX(number), 0) AS number FROM migrations")
        return int(row["number"]) if row else 0

    return await database.read(highest)


async def _ensure_record(tx: Tx) -> None:
    await tx.execute(
        """
        CREATE TABLE IF NOT EXISTS migrations (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            applied_at {int64} NOT NULL
        )
        """.format_map(tx.dialect)
    )


async def _run_once(tx: Tx, number: int, step: Step, now: int) -> int:
    row = await tx.fetch_one(
        "SELECT number FROM migrations WHERE number = :number", {"number": number}
    )
    if row is not None:
        return 0
    await step(tx)
    await tx.execute(
        "INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :now)",
        {"number": number, "name": step.__name__, "now": now},
    )
    return 1


async def _run_schema(tx: Tx, schema: str) -> None:
    for statement in schema.format_map(tx.dialect).split(";"):
        if statement.strip():
            await tx.execute(statement)


async def m001_identity(tx: Tx) -> None:
    """Who there is: tenants, users, domains, inboxes, lists, credentials."""
    await _run_schema(tx, _IDENTITY)


async def m002_mail(tx: Tx) -> None:
    """What came: content and message once, a copy per inbox, threads, events, receipts."""
    await _run_schema(tx, _MAIL)


STEPS: tuple[Step, ...] = (m001_identity, m002_mail)

# Addresses of inboxes and lists share one table, whose key is the canonical form: one address is
# one thing in the whole store, and finding it is one look-up.
_IDENTITY = """
CREATE TABLE store_state (
    name TEXT PRIMARY KEY,
    value {int64} NOT NULL
);
INSERT INTO store_state (name, value) VALUES ('last_id', 0);

CREATE TABLE tenants (
    tenant_id {id} PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    governance TEXT NOT NULL,
    created_at {int64} NOT NULL
);

CREATE TABLE users (
    user_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    email TEXT NOT NULL,
    canonical TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at {int64} NOT NULL
);
CREATE INDEX users_by_tenant ON users (tenant_id, user_id);

CREATE TABLE domains (
    domain_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    verification TEXT NOT NULL,
    verified_at {int64},
    created_at {int64} NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE UNIQUE INDEX domains_verified_once ON domains (name) WHERE status = 'verified';

CREATE TABLE inboxes (
    inbox_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    domain_id {id} NOT NULL REFERENCES domains (domain_id),
    address TEXT NOT NULL,
    canonical TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    owner_user_id {id},
    default_timezone TEXT NOT NULL,
    share_relationships INTEGER NOT NULL,
    created_at {int64} NOT NULL,
    deleted_at {int64}
);
CREATE INDEX inboxes_by_tenant ON inboxes (tenant_id, inbox_id);
CREATE INDEX inboxes_by_owner ON inboxes (owner_user_id) WHERE owner_user_id IS NOT NULL;

CREATE TABLE lists (
    list_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    domain_id {id} NOT NULL REFERENCES domains (domain_id),
    address TEXT NOT NULL,
    canonical TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_by {id},
    created_at {int64} NOT NULL
);
CREATE INDEX lists_by_tenant ON lists (tenant_id, list_id);

CREATE TABLE list_members (
    list_id {id} NOT NULL REFERENCES lists (list_id),
    inbox_id {id} NOT NULL REFERENCES inboxes (inbox_id),
    member_id {id} NOT NULL UNIQUE,
    added_at {int64} NOT NULL,
    PRIMARY KEY (list_id, inbox_id)
);
CREATE INDEX list_members_by_inbox ON list_members (inbox_id);

CREATE TABLE addresses (
    canonical TEXT PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    domain_id {id} NOT NULL REFERENCES domains (domain_id),
    inbox_id {id} REFERENCES inboxes (inbox_id),
    list_id {id} REFERENCES lists (list_id),
    CHECK ((inbox_id IS NULL) <> (list_id IS NULL))
);

CREATE TABLE tokens (
    token_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    inbox_id {id} NOT NULL REFERENCES inboxes (inbox_id),
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    secret_hash {bytes} NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created_by {id},
    created_at {int64} NOT NULL,
    last_used_at {int64},
    expires_at {int64}
);
CREATE INDEX tokens_by_tenant ON tokens (tenant_id, token_id);

CREATE TABLE sessions (
    session_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    user_id {id} NOT NULL REFERENCES users (user_id),
    secret_hash {bytes} NOT NULL UNIQUE,
    created_at {int64} NOT NULL,
    last_used_at {int64} NOT NULL,
    expires_at {int64} NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id)
"""

# The tables that every delivery writes carry no foreign keys: what they would check is read in the
# same transaction, and 50 copies would pay for it 100 times.
_MAIL = """
CREATE TABLE messages (
    message_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    received_at {int64} NOT NULL,
    size {int64} NOT NULL,
    header_message_id TEXT,
    from_name TEXT NOT NULL,
    from_email TEXT NOT NULL,
    subject TEXT NOT NULL,
    recipients {bytes} NOT NULL,
    reverse_path TEXT NOT NULL,
    client_ip TEXT NOT NULL,
    helo TEXT NOT NULL,
    protocol TEXT NOT NULL,
    tls TEXT,
    received_field {bytes} NOT NULL,
    automatic INTEGER NOT NULL,
    parse_status TEXT NOT NULL,
    copies_owed INTEGER NOT NULL,
    copies_gone INTEGER NOT NULL
) {clustered};
CREATE INDEX messages_by_thread ON messages (thread_id, message_id);

CREATE TABLE contents (
    message_id {id} PRIMARY KEY,
    sha256 {bytes} NOT NULL,
    size {int64} NOT NULL,
    body {bytes},
    file TEXT,
    CHECK ((body IS NULL) <> (file IS NULL))
);

CREATE TABLE routes (
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    address TEXT NOT NULL,
    inbox_id {id},
    list_id {id},
    PRIMARY KEY (message_id, position)
) {clustered};

CREATE TABLE copies (
    inbox_id {id} NOT NULL,
    message_id {id} NOT NULL,
    folder INTEGER NOT NULL,
    is_read INTEGER NOT NULL,
    is_flagged INTEGER NOT NULL,
    route INTEGER NOT NULL,
    PRIMARY KEY (inbox_id, message_id)
) {clustered};
CREATE INDEX copies_by_folder ON copies (inbox_id, folder, message_id);

CREATE TABLE copy_routes (
    inbox_id {id} NOT NULL,
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (message_id, inbox_id, position)
) {clustered};

CREATE TABLE threads (
    thread_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    status TEXT NOT NULL,
    created_at {int64} NOT NULL
) {clustered};
CREATE INDEX threads_by_tenant ON threads (tenant_id, thread_id);

CREATE TABLE thread_references (
    tenant_id {id} NOT NULL,
    reference {bytes} NOT NULL,
    thread_id {id} NOT NULL,
    PRIMARY KEY (tenant_id, reference)
) {clustered};

CREATE TABLE events (
    event_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    type TEXT NOT NULL,
    inbox_id {id},
    message_id {id},
    thread_id {id},
    list_id {id},
    actor TEXT,
    created_at {int64} NOT NULL
) {clustered};
CREATE INDEX events_by_tenant ON events (tenant_id, event_id);

CREATE TABLE receipts (
    digest {bytes} PRIMARY KEY,
    message_id {id} NOT NULL,
    received_at {int64} NOT NULL
) {clustered}
"""
