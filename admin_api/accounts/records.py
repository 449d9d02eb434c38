"""Records of tenants, users and tokens, as the API shows them."""

from __future__ import annotations

from admin_api.http.records import Record, id_or_none, time_or_none
from storage.accounts.sessions import Session
from storage.accounts.tenants import Tenant
from storage.accounts.tokens import Token
from storage.accounts.users import User
from storage.clock import rfc3339
from storage.ids import to_text


def tenant_record(tenant: Tenant) -> Record:
    """The tenant, as its own users see it."""
    return {"tenant_id": to_text("tnt", tenant.tenant_id), "name": tenant.name}


def user_record(user: User) -> Record:
    """A user; never the password."""
    return {
        "user_id": to_text("usr", user.user_id),
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "tenant_id": to_text("tnt", user.tenant_id),
    }


def account_record(user: User) -> Record:
    """A user, as admins see it."""
    return user_record(user) | {"created_at": rfc3339(user.created_at)}


def token_record(token: Token, *, now: int) -> Record:
    """A token; never its secret. `status` is `expired` by itself."""
    lapsed = token.expires_at is not None and token.expires_at <= now
    return {
        "token_id": to_text("tok", token.token_id),
        "inbox_id": to_text("inb", token.inbox_id),
        "label": token.label,
        "scopes": token.scopes,
        "requires_approval": token.sending.requires_approval,
        "send_to": token.sending.send_to,
        "send_rate": token.sending.send_rate,
        "status": "expired" if lapsed else token.status,
        "created_by": id_or_none("usr", token.created_by),
        "last_used_at": time_or_none(token.last_used_at),
        "expires_at": time_or_none(token.expires_at),
        "created_at": rfc3339(token.created_at),
    }


def session_record(session: Session, *, current: bytes) -> Record:
    """A session; never its secret. `current` is the id of the caller's."""
    return {
        "session_id": to_text("ses", session.session_id),
        "kind": session.kind,
        "current": session.session_id == current,
        "user_agent": session.user_agent,
        "address": session.address,
        "created_at": rfc3339(session.created_at),
        "last_used_at": rfc3339(session.last_used_at),
        "expires_at": rfc3339(session.expires_at),
    }


def operator_tenant_record(tenant: Tenant) -> Record:
    """A tenant, which only the operator sees."""
    return {
        "tenant_id": to_text("tnt", tenant.tenant_id),
        "name": tenant.name,
        "plan": tenant.plan,
        "governance": tenant.governance,
        "created_at": rfc3339(tenant.created_at),
    }
