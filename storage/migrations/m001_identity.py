"""Who there is: tenants, users, domains, inboxes, lists, credentials."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m001_identity(tx: Tx) -> None:
    """Make the tables of everything that is set up by people."""
    await run_schema(tx, _IDENTITY)


# Addresses of inboxes and lists share one table, whose key is the canonical form: one address is
# one thing in the whole store, and finding it is one look-up.
_IDENTITY = """
CREATE TABLE store_state (
    name {text} PRIMARY KEY,
    value {int64} NOT NULL
);
INSERT INTO store_state (name, value) VALUES ('last_id', 0);

CREATE TABLE tenants (
    tenant_id {id} PRIMARY KEY,
    name {text} NOT NULL,
    plan {text} NOT NULL,
    governance {text} NOT NULL,
    created_at {int64} NOT NULL
);

CREATE TABLE users (
    user_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    email {text} NOT NULL,
    canonical {text} NOT NULL UNIQUE,
    name {text} NOT NULL,
    role {text} NOT NULL,
    password_hash {text} NOT NULL,
    created_at {int64} NOT NULL
);
CREATE INDEX users_by_tenant ON users (tenant_id, user_id);

CREATE TABLE domains (
    domain_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    name {text} NOT NULL,
    status {text} NOT NULL,
    verification {text} NOT NULL,
    verified_at {int64},
    created_at {int64} NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE UNIQUE INDEX domains_verified_once ON domains (name) WHERE status = 'verified';

CREATE TABLE inboxes (
    inbox_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    domain_id {id} NOT NULL REFERENCES domains (domain_id),
    address {text} NOT NULL,
    canonical {text} NOT NULL UNIQUE,
    display_name {text} NOT NULL,
    owner_user_id {id},
    default_timezone {text} NOT NULL,
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
    address {text} NOT NULL,
    canonical {text} NOT NULL UNIQUE,
    name {text} NOT NULL,
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
    canonical {text} PRIMARY KEY,
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
    label {text} NOT NULL,
    scopes {text} NOT NULL,
    secret_hash {bytes} NOT NULL UNIQUE,
    status {text} NOT NULL,
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
