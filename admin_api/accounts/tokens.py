"""Agent tokens: made, changed and revoked by an admin, or by the owner of the inbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.accounts.records import token_record
from admin_api.accounts.shapes import ChangedToken
from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call, may_act_for
from admin_api.call.paging import Page, page_answer
from admin_api.call.references import FutureInstant, OwnInbox, own_inbox
from admin_api.http.payload import Name, Payload, instant_of
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.http.strict_json import JsonValue
from storage.accounts import tokens
from storage.accounts.tokens import Sending, Token
from storage.database import Tx
from storage.directory.inboxes import find_inbox
from storage.errors import FieldFault, NotFound
from storage.ids import to_text

Scopes = Annotated[list[tokens.Scope], Field(min_length=1, max_length=50)]
Approved = Annotated[list[tokens.Approved], Field(max_length=10)]
Rate = Annotated[int, Field(ge=0, le=tokens.MOST_SEND_RATE)]


class TokenIn(Payload):
    """A token to make for an inbox, named by id or address."""

    inbox_id: OwnInbox
    label: Name
    scopes: Scopes
    expires_at: FutureInstant | None = None
    requires_approval: Approved = Field(default_factory=list)
    send_to: tokens.SendTo = "participants"
    send_rate: Rate = tokens.SEND_RATE


class TokenChange(Payload):
    """An action, or the changeable fields of a token; a field left out stays as it is."""

    fixed = fields_of(ChangedToken)

    action: Literal["pause", "resume", "rotate"] = "resume"
    label: Name = ""
    scopes: Scopes = Field(default_factory=list)
    expires_at: FutureInstant | None = None
    requires_approval: Approved = Field(default_factory=list)
    send_to: tokens.SendTo = "participants"
    send_rate: Rate = tokens.SEND_RATE

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        if "action" in given and len(given) > 1:
            yield FieldFault("action", "must be the only field")


async def list_tokens(call: Call) -> Response:
    """GET /v1/tokens/: a member sees those of their own inboxes."""
    user, page = call.person.user, call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[Token]:
        owner = None if is_admin(call.caller) else user.user_id
        return await tokens.list_tokens(
            tx, tenant_id=call.tenant_id, owner_user_id=owner, span=span
        )

    def record(token: Token) -> Record:
        return token_record(token, now=call.now)

    found = await call.database.read(work)
    return page_answer(call, page, found, record, lambda token: token.token_id)


async def create_token(call: Call) -> Response:
    """POST /v1/tokens/: the only answer that ever shows the secret."""
    payload = call.payload(TokenIn)

    async def work(tx: Tx) -> tuple[Token, str]:
        # In this transaction: a change of owner at the same time must not miss the new token.
        inbox = await own_inbox(tx, call, "inbox_id", payload.inbox_id)
        made, secret = await tokens.create_token(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox.inbox_id,
            label=payload.label,
            scopes=payload.scopes,
            created_by=call.person.user.user_id,
            expires_at=instant_of(payload.expires_at),
            now=call.now,
            sending=_sending(payload, tokens.AS_NEW),
        )
        await _note(tx, call, "token.created", made, scopes=made.scopes)
        return made, secret

    token, secret = await call.database.write(work)
    return answer(token_record(token, now=call.now) | {"token": secret}, 201)


async def _note(tx: Tx, call: Call, action: str, token: Token, **details: Sequence[str]) -> None:
    inbox_id = to_text("inb", token.inbox_id)
    await note(tx, call, action, token.token_id, name=token.label, of_inbox_id=inbox_id, **details)


def _sending(payload: TokenIn | TokenChange, before: Sending) -> Sending:
    """How the token may send: the given fields, and the others as they were."""
    given = payload.model_fields_set
    return Sending(
        tuple(payload.requires_approval)
        if "requires_approval" in given
        else before.requires_approval,
        payload.send_to if "send_to" in given else before.send_to,
        payload.send_rate if "send_rate" in given else before.send_rate,
    )


async def change_token(call: Call) -> Response:
    """PATCH /v1/tokens/{token_id}/: after `rotate` the answer shows the new secret, once."""
    payload = call.payload(TokenChange)
    given, expires_at = payload.model_fields_set, instant_of(payload.expires_at)
    if payload.action == "rotate":
        return await _rotate(call)

    async def work(tx: Tx) -> Token:
        token = await locate(tx, call)
        key = {"tenant_id": call.tenant_id, "token_id": token.token_id}
        if "action" in given:
            switched = await tokens.set_paused(tx, **key, paused=payload.action == "pause")
            if switched != token:
                await _note(tx, call, f"token.{payload.action}d", switched)
            return switched
        changed = await tokens.update_token(
            tx,
            **key,
            label=payload.label if "label" in given else token.label,
            scopes=payload.scopes if "scopes" in given else token.scopes,
            expires_at=expires_at if "expires_at" in given else token.expires_at,
            now=call.now,
            sending=_sending(payload, token.sending),
        )
        fields = differing(given, *(token_record(one, now=call.now) for one in (token, changed)))
        if fields:
            scopes = {"scopes": changed.scopes} if "scopes" in fields else {}
            await _note(tx, call, "token.changed", changed, fields=fields, **scopes)
        return changed

    return answer(token_record(await call.database.write(work), now=call.now))


async def _rotate(call: Call) -> Response:
    async def work(tx: Tx) -> tuple[Token, str]:
        token = await locate(tx, call)
        rotated, secret = await tokens.rotate_token(
            tx,
            tenant_id=call.tenant_id,
            token_id=token.token_id,
            rotated_by=call.person.user.user_id,
        )
        await _note(tx, call, "token.rotated", rotated)
        return rotated, secret

    token, secret = await call.database.write(work)
    return answer(token_record(token, now=call.now) | {"token": secret})


async def delete_token(call: Call) -> Response:
    """DELETE /v1/tokens/{token_id}/: it ends with the next call."""

    async def work(tx: Tx) -> None:
        token = await locate(tx, call)
        await tokens.revoke_token(tx, tenant_id=call.tenant_id, token_id=token.token_id)
        await _note(tx, call, "token.revoked", token)

    await call.database.write(work)
    return no_content()


async def locate(tx: Tx, call: Call) -> Token:
    """Return the token in the path, if this user may act for its inbox. Raises NotFound."""
    token_id = call.path_id("tok", "token_id")
    token = await tokens.find_token(tx, tenant_id=call.tenant_id, token_id=token_id)
    inbox = await find_inbox(tx, tenant_id=call.tenant_id, inbox_id=token.inbox_id)
    if not may_act_for(call.caller, inbox):
        # 404, not 403: a member must not learn which tokens the inboxes of others have.
        raise NotFound("a token of somebody else's inbox")
    return token
