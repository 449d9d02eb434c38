"""Agent tokens: credentials of one inbox, with scopes.

- A token is 256 random bits behind `prt_`; only its SHA-256 is stored, so it is shown once.
- Revoked, expired and unknown tokens are all not found; a revoked one keeps its row until its inbox
  is deleted permanently, so that its acts can still be named.
- A token never outlives its maker's right: when a user may no longer act for an inbox, the same
  transaction revokes the tokens they made for it. A user who rotates a token has its secret from
  then on, and counts as its maker.
- The time of the last use is stored to the minute: a call that only reads must not wait for a
  write.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from storage.clock import MINUTE
from storage.database import Row, Tx
from storage.errors import FieldFault, Invalid, NotFound
from storage.keyset import ALL, Keyset

PREFIX = "prt_"
Scope = Literal[
    "email:read",
    "email:write",
    "email:send",
    "approvals:read",
    "contacts:read",
    "contacts:write",
    "context:read",
    "task:read",
    "task:write",
    "alerts:read",
    "alerts:write",
]
SCOPES: tuple[str, ...] = get_args(Scope)
# The scopes whose calls a person can be asked to approve.
Approved = Literal["email:send"]
APPROVED: tuple[str, ...] = get_args(Approved)
SendTo = Literal["participants", "contacts", "anyone"]
SEND_TO: tuple[str, ...] = get_args(SendTo)
SEND_RATE = 30
MOST_SEND_RATE = 10_000
LABEL_LENGTH = 200

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256


@dataclass(frozen=True, slots=True)
class Sending:
    """How a token may send: which of its calls wait for a person, to whom, how often an hour."""

    requires_approval: tuple[str, ...] = ()
    send_to: str = "participants"
    send_rate: int = SEND_RATE


AS_NEW = Sending()


@dataclass(frozen=True, slots=True)
class Token:
    """A stored token; `created_by` is None for tokens made on the command line."""

    token_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    label: str
    scopes: tuple[str, ...]
    status: str
    created_by: bytes | None
    created_at: int
    last_used_at: int | None
    expires_at: int | None
    sending: Sending = AS_NEW


async def create_token(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    label: str,
    scopes: Iterable[str],
    created_by: bytes | None,
    expires_at: int | None,
    now: int,
    sending: Sending = AS_NEW,
) -> tuple[Token, str]:
    """Make a token; return it with its secret in clear, which is never available again.

    Raises Invalid for the label, an unknown scope, no scope, an expiry in the past, or an inbox
    that the tenant does not have.
    """
    asked = set(scopes)
    faults = await _require_inbox(tx, tenant_id, inbox_id)
    faults += _faults(label, asked, expires_at, now)
    faults += _faults_of_sending(sending)
    if faults:
        raise Invalid(*faults)
    token = Token(
        tx.new_id(),
        tenant_id,
        inbox_id,
        label,
        tuple(scope for scope in SCOPES if scope in asked),
        "active",
        created_by,
        now,
        None,
        expires_at,
        sending,
    )
    secret = new_secret(PREFIX)
    await tx.execute(
        """
        INSERT INTO tokens
            (token_id, tenant_id, inbox_id, label, scopes, secret_hash, status, created_by,
             created_at, expires_at, requires_approval, send_to, send_rate)
        VALUES
            (:token_id, :tenant_id, :inbox_id, :label, :scopes, :secret_hash, 'active',
             :created_by, :now, :expires_at, :requires_approval, :send_to, :send_rate)
        """,
        {
            "token_id": token.token_id,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "label": label,
            "scopes": " ".join(token.scopes),
            "secret_hash": hash_secret(secret),
            "created_by": created_by,
            "now": now,
            "expires_at": expires_at,
            **_columns_of(sending),
        },
    )
    return token, secret


def _columns_of(sending: Sending) -> dict[str, object]:
    return {
        "requires_approval": " ".join(one for one in APPROVED if one in sending.requires_approval),
        "send_to": sending.send_to,
        "send_rate": sending.send_rate,
    }


async def _require_inbox(tx: Tx, tenant_id: bytes, inbox_id: bytes) -> list[FieldFault]:
    row = await tx.fetch_one(
        """
        SELECT 1 FROM inboxes
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND deleted_at IS NULL
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    return [] if row else [FieldFault("inbox_id", "is not an inbox of this tenant")]


def _faults(label: str, scopes: set[str], expires_at: int | None, now: int) -> Iterator[FieldFault]:
    if not 0 < len(label.strip()) <= LABEL_LENGTH:
        yield FieldFault("label", f"must have 1 to {LABEL_LENGTH} characters")
    if not scopes or not scopes <= set(SCOPES):
        yield FieldFault("scopes", f"must be some of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        yield FieldFault("expires_at", "must be in the future")


def _faults_of_sending(sending: Sending) -> Iterator[FieldFault]:
    if not set(sending.requires_approval) <= set(APPROVED):
        yield FieldFault("requires_approval", f"must be some of {', '.join(APPROVED)}")
    if sending.send_to not in SEND_TO:
        yield FieldFault("send_to", f"must be one of {', '.join(SEND_TO)}")
    if not 0 <= sending.send_rate <= MOST_SEND_RATE:
        yield FieldFault("send_rate", f"must be 0 to {MOST_SEND_RATE} letters an hour")


async def find_token_by_secret(tx: Tx, *, secret: str, now: int) -> Token | None:
    """Return the live token with this secret; None when unknown, revoked, paused or expired.

    A token of a deleted inbox is not found.
    """
    row = await tx.fetch_one(
        _TOKEN
        + """
        JOIN inboxes i ON i.inbox_id = t.inbox_id AND i.deleted_at IS NULL
        WHERE t.secret_hash = :secret_hash AND t.status = 'active'
          AND (t.expires_at IS NULL OR t.expires_at > :now)
        """,
        # By the hash: the time of the look-up tells nothing of the secrets that exist.
        {"secret_hash": hash_secret(secret), "now": now},
    )
    return _token(row) if row else None


def is_touch_due(token: Token, *, now: int) -> bool:
    """Whether the stored time of last use is old enough to be written again."""
    return token.last_used_at is None or now - token.last_used_at >= MINUTE


async def touch_token(tx: Tx, *, tenant_id: bytes, token_id: bytes, now: int) -> None:
    """Store the time of last use; it never goes back."""
    await tx.execute(
        """
        UPDATE tokens SET last_used_at = :now
        WHERE tenant_id = :tenant_id AND token_id = :token_id
          AND (last_used_at IS NULL OR last_used_at < :now)
        """,
        {"now": now, "tenant_id": tenant_id, "token_id": token_id},
    )


async def list_tokens(
    tx: Tx, *, tenant_id: bytes, owner_user_id: bytes | None = None, span: Keyset = ALL
) -> list[Token]:
    """Return the tenant's tokens that are not revoked, oldest first.

    With `owner_user_id` only those of inboxes that this user owns.
    """
    owned = "AND i.owner_user_id = :owner" if owner_user_id else ""
    rows = await tx.fetch_all(
        f"""
        {_TOKEN} JOIN inboxes i ON i.inbox_id = t.inbox_id AND i.deleted_at IS NULL
        WHERE t.tenant_id = :tenant_id AND t.status <> 'revoked' {owned} {span.sql("t.token_id")}
        """,
        {"tenant_id": tenant_id, "owner": owner_user_id, **span.params},
    )
    return [_token(row) for row in rows]


async def find_token(tx: Tx, *, tenant_id: bytes, token_id: bytes) -> Token:
    """Raises NotFound; a revoked token is not found."""
    row = await tx.fetch_one(
        f"""
        {_TOKEN} WHERE t.tenant_id = :tenant_id AND t.token_id = :token_id
          AND t.status <> 'revoked'
        """,
        {"tenant_id": tenant_id, "token_id": token_id},
    )
    if row is None:
        raise NotFound("no such token")
    return _token(row)


async def update_token(
    tx: Tx,
    *,
    tenant_id: bytes,
    token_id: bytes,
    label: str,
    scopes: Collection[str],
    expires_at: int | None,
    now: int,
    sending: Sending | None = None,
) -> Token:
    """Set all changeable fields; `sending` stays as it is where it is None.

    An unchanged expiry may be past. Raises NotFound, Invalid.
    """
    token = await find_token(tx, tenant_id=tenant_id, token_id=token_id)
    new_expiry = None if expires_at == token.expires_at else expires_at
    sending = sending or token.sending
    faults = [*_faults(label, set(scopes), new_expiry, now), *_faults_of_sending(sending)]
    if faults:
        raise Invalid(*faults)
    await tx.execute(
        """
        UPDATE tokens
        SET label = :label, scopes = :scopes, expires_at = :expires_at,
            requires_approval = :requires_approval, send_to = :send_to, send_rate = :send_rate
        WHERE tenant_id = :tenant_id AND token_id = :token_id
        """,
        {
            "tenant_id": tenant_id,
            "token_id": token_id,
            "label": label,
            "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
            "expires_at": expires_at,
            **_columns_of(sending),
        },
    )
    return await find_token(tx, tenant_id=tenant_id, token_id=token_id)


async def set_paused(tx: Tx, *, tenant_id: bytes, token_id: bytes, paused: bool) -> Token:
    """Pause or resume a token; no effect when it is so already. Raises NotFound."""
    await tx.execute(
        """
        UPDATE tokens SET status = :status
        WHERE tenant_id = :tenant_id AND token_id = :token_id AND status <> 'revoked'
        """,
        {
            "status": "paused" if paused else "active",
            "tenant_id": tenant_id,
            "token_id": token_id,
        },
    )
    return await find_token(tx, tenant_id=tenant_id, token_id=token_id)


async def rotate_token(
    tx: Tx, *, tenant_id: bytes, token_id: bytes, rotated_by: bytes | None
) -> tuple[Token, str]:
    """Give the token a new secret, returned in clear; the old one fails from the next call on.

    `rotated_by` is None for the operator. Raises NotFound.
    """
    secret = new_secret(PREFIX)
    await tx.execute(
        """
        UPDATE tokens SET secret_hash = :secret_hash, created_by = :rotated_by
        WHERE tenant_id = :tenant_id AND token_id = :token_id AND status <> 'revoked'
        """,
        {
            "secret_hash": hash_secret(secret),
            "rotated_by": rotated_by,
            "tenant_id": tenant_id,
            "token_id": token_id,
        },
    )
    return await find_token(tx, tenant_id=tenant_id, token_id=token_id), secret


async def revoke_without_right(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes | None = None, made_by: bytes | None = None
) -> int:
    """Revoke the tokens whose maker may no longer act for their inbox; how many.

    `inbox_id` and `made_by` tell which changed, so that only those are checked. Tokens made on the
    command line have no maker and stay.
    """
    of_inbox = "AND inbox_id = :inbox_id" if inbox_id else ""
    of_maker = "AND created_by = :made_by" if made_by else ""
    return await tx.execute(
        f"""
        UPDATE tokens SET status = 'revoked'
        WHERE tenant_id = :tenant_id AND status <> 'revoked' AND created_by IS NOT NULL
          {of_inbox} {of_maker}
          AND NOT EXISTS (
              SELECT 1 FROM users u JOIN inboxes i ON i.inbox_id = tokens.inbox_id
              WHERE u.user_id = tokens.created_by AND u.tenant_id = :tenant_id
                AND (u.role IN ('owner', 'admin') OR i.owner_user_id = u.user_id))
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "made_by": made_by},
    )


async def revoke_tokens_of_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes) -> None:
    """Revoke every token of an inbox, permanently."""
    await tx.execute(
        """
        UPDATE tokens SET status = 'revoked'
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )


async def revoke_token(tx: Tx, *, tenant_id: bytes, token_id: bytes) -> None:
    """End the token from the next call on. Raises NotFound, also when it was revoked before."""
    changed = await tx.execute(
        """
        UPDATE tokens SET status = 'revoked'
        WHERE tenant_id = :tenant_id AND token_id = :token_id AND status <> 'revoked'
        """,
        {"tenant_id": tenant_id, "token_id": token_id},
    )
    if not changed:
        raise NotFound("no such token")


def new_secret(prefix: str) -> str:
    """Return `prefix` and at least 256 random bits in letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def hash_secret(secret: str) -> bytes:
    """Return the hash to store. A secret is random, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


_TOKEN = """
    SELECT t.token_id, t.tenant_id, t.inbox_id, t.label, t.scopes, t.status, t.created_by,
           t.created_at, t.last_used_at, t.expires_at, t.requires_approval, t.send_to, t.send_rate
    FROM tokens t
"""


def _token(row: Row) -> Token:
    return Token(
        row["token_id"],
        row["tenant_id"],
        row["inbox_id"],
        row["label"],
        tuple(row["scopes"].split()),
        row["status"],
        row["created_by"],
        row["created_at"],
        row["last_used_at"],
        row["expires_at"],
        Sending(tuple(row["requires_approval"].split()), row["send_to"], row["send_rate"]),
    )
