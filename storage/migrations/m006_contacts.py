"""What a team knows of people outside: cards, sharing, acquaintance, activity."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m006_contacts(tx: Tx) -> None:
    """Make the tables of the contact graph; a delivery writes none of them."""
    await run_schema(tx, _CONTACTS)


# `relationships` begins with the address: the inboxes of one message lie side by side, and who else
# knows an address is one range. `relationships_worker` has one row, the last message counted.
_CONTACTS = """
CREATE TABLE contacts (
    contact_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    sort_key {text} NOT NULL,
    search {text} NOT NULL,
    uid {text} NOT NULL,
    card {text} NOT NULL,
    sources {text} NOT NULL,
    read_only INTEGER NOT NULL,
    created_at {int64} NOT NULL,
    updated_at {int64} NOT NULL
);
CREATE INDEX contacts_by_name ON contacts (inbox_id, sort_key, contact_id);
CREATE INDEX contacts_by_age ON contacts (inbox_id, contact_id);
CREATE INDEX contacts_by_uid ON contacts (inbox_id, uid) WHERE uid <> '';

CREATE TABLE contact_addresses (
    inbox_id {id} NOT NULL,
    canonical {text} NOT NULL,
    contact_id {id} NOT NULL,
    PRIMARY KEY (inbox_id, canonical)
) {clustered};
CREATE INDEX contact_addresses_by_contact ON contact_addresses (contact_id);

CREATE TABLE contact_merges (
    merge_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    contact_id {id} NOT NULL,
    before_card {text} NOT NULL,
    before_sources {text} NOT NULL,
    other_id {id} NOT NULL,
    other_card {text} NOT NULL,
    other_sources {text} NOT NULL,
    merged_at {int64} NOT NULL
);
CREATE INDEX contact_merges_by_contact ON contact_merges (contact_id, merge_id);
CREATE INDEX contact_merges_by_time ON contact_merges (merged_at);

CREATE TABLE shares (
    share_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    type {text} NOT NULL,
    status {text} NOT NULL,
    from_inbox_id {id} NOT NULL,
    to_inbox_id {id} NOT NULL,
    contact_id {id},
    address {text},
    canonical {text},
    include_notes INTEGER NOT NULL,
    note {text},
    labels {text} NOT NULL,
    created_at {int64} NOT NULL,
    resolved_at {int64}
);
CREATE INDEX shares_incoming ON shares (to_inbox_id, status, share_id);
CREATE INDEX shares_outgoing ON shares (from_inbox_id, status, share_id);
CREATE INDEX shares_pending ON shares (created_at) WHERE status = 'pending';
CREATE INDEX shares_resolved ON shares (resolved_at) WHERE status <> 'pending';
CREATE INDEX tasks_by_share ON tasks (share_id) WHERE share_id IS NOT NULL;
ALTER TABLE events ADD COLUMN contact_id {id};
ALTER TABLE events ADD COLUMN share_id {id};

CREATE TABLE relationships (
    tenant_id {id} NOT NULL,
    canonical {text} NOT NULL,
    inbox_id {id} NOT NULL,
    address {text} NOT NULL,
    name {text} NOT NULL,
    first_seen {int64} NOT NULL,
    last_seen {int64} NOT NULL,
    message_count {int64} NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    seed_count {int64} NOT NULL DEFAULT 0,
    seed_inbox_id {id},
    seeded_at {int64},
    authenticated INTEGER,
    PRIMARY KEY (tenant_id, canonical, inbox_id)
) {clustered};
CREATE INDEX relationships_by_strength ON relationships (inbox_id, score, canonical);

CREATE TABLE messages_by_sender (
    tenant_id {id} NOT NULL,
    canonical {text} NOT NULL,
    message_id {id} NOT NULL,
    PRIMARY KEY (tenant_id, canonical, message_id)
) {clustered};

CREATE TABLE relationships_worker (
    worker INTEGER PRIMARY KEY,
    message_id {id} NOT NULL
);

CREATE TABLE activity (
    activity_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    canonical {text},
    contact_id {id},
    type {text} NOT NULL,
    share_id {id},
    other_inbox_id {id},
    source_inbox_id {id},
    created_at {int64} NOT NULL
);
CREATE INDEX activity_by_address ON activity (inbox_id, canonical, activity_id);
CREATE INDEX activity_by_contact ON activity (inbox_id, contact_id, activity_id);
CREATE INDEX activity_by_time ON activity (created_at)
"""
