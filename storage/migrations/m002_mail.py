"""What came: content and message once, a copy per inbox, threads, events, receipts."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m002_mail(tx: Tx) -> None:
    """Make the tables that a delivery writes."""
    await run_schema(tx, _MAIL)


# The tables that every delivery writes carry no foreign keys: what they would check is read in the
# same transaction, and 50 copies would pay for it 100 times.
_MAIL = """
CREATE TABLE messages (
    message_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    received_at {int64} NOT NULL,
    size {int64} NOT NULL,
    header_message_id {text},
    from_name {text} NOT NULL,
    from_email {text} NOT NULL,
    subject {text} NOT NULL,
    recipients {bytes} NOT NULL,
    reverse_path {text} NOT NULL,
    client_ip {text} NOT NULL,
    helo {text} NOT NULL,
    protocol {text} NOT NULL,
    tls {text},
    received_field {bytes} NOT NULL,
    automatic INTEGER NOT NULL,
    parse_status {text} NOT NULL,
    copies_owed INTEGER NOT NULL,
    copies_gone INTEGER NOT NULL
) {clustered};
CREATE INDEX messages_by_thread ON messages (thread_id, message_id);

CREATE TABLE contents (
    message_id {id} PRIMARY KEY,
    sha256 {bytes} NOT NULL,
    size {int64} NOT NULL,
    body {bytes},
    file {text},
    CHECK ((body IS NULL) <> (file IS NULL))
);

CREATE TABLE routes (
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    recipient {text} NOT NULL,
    address {text} NOT NULL,
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
    PRIMARY KEY (message_id, inbox_id)
) {clustered};
CREATE INDEX copies_by_folder ON copies (inbox_id, folder, message_id, is_read);

CREATE TABLE copy_routes (
    inbox_id {id} NOT NULL,
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (message_id, inbox_id, position)
) {clustered};

CREATE TABLE threads (
    thread_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    status {text} NOT NULL,
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
    type {text} NOT NULL,
    inbox_id {id},
    message_id {id},
    thread_id {id},
    list_id {id},
    actor {text},
    created_at {int64} NOT NULL
) {clustered};
CREATE INDEX events_by_tenant ON events (tenant_id, event_id);

CREATE TABLE receipts (
    digest {bytes} PRIMARY KEY,
    message_id {id} NOT NULL,
    received_at {int64} NOT NULL,
    owner {bytes} NOT NULL
) {clustered}
"""
