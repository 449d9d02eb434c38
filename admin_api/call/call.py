"""One call: its caller, its inbox, its input, and the services of the process.

- Input is validated before a handler runs; a handler gets it by its model.
- The acting inbox comes from the token, or from `inbox_id` of a session; a session's is looked up
  in the handler's own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TypeVar

from starlette.requests import Request

from admin_api.access.credentials import Agent, Person, Principal
from admin_api.access.policy import is_admin
from admin_api.http.body import ReceivedFile
from admin_api.http.payload import Given, Parameters, Payload
from admin_api.http.problems import Problem, not_found
from admin_api.http.strict_json import JsonValue
from admin_api.service.service import ServiceContext
from storage.address import canonical_or_none
from storage.database import CountedCommits, Tx
from storage.directory.inboxes import Inbox, find_inbox, find_inbox_by_address
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import from_text
from storage.mailbox.visibility import View

P = TypeVar("P", bound=Payload)
Q = TypeVar("Q", bound=Parameters)


@dataclass(slots=True)
class Trail:
    """The inbox a call acts for, and its audit entries so far (`admin_api.call.audit_trail`).

    `foreign`: the inbox is another user's; `writing`: the transaction holds an entry; `told`: one
    is committed.
    """

    inbox_id: bytes | None = None
    address: str = ""
    foreign: bool = False
    writing: bool = False
    told: bool = False


@dataclass(slots=True)
class Call:
    """One admitted call.

    `inbox_names` are the values of `inbox_id` that a session gave: in the query, in the body, or in
    both. `sent` is the body as it came, before validation; `file` is a body that is a file,
    from its beginning; `received` one that is to stay, in the content directory. `condition` is
    If-Match and `key` is Idempotency-Key, None where there is none; a key that came twice is empty.
    `secret` is the credential's: keys are hashed with it. `tagged`: the answer carries its ETag.
    `store` replaces the service's where its transactions must hold more; copies of a call share its
    `trail`.
    """

    service: ServiceContext
    request: Request
    arguments: Mapping[str, str]
    now: int
    principal: Principal | None = None
    inbox_names: tuple[str, ...] = ()
    sent: Mapping[str, JsonValue] = field(default_factory=dict)
    body: Given | None = None
    query: Given | None = None
    store: CountedCommits | None = None
    file: IO[bytes] | None = None
    received: ReceivedFile | None = None
    condition: str | None = None
    key: str | None = None
    secret: str = field(default="", repr=False)
    tagged: bool = True
    trail: Trail = field(default_factory=Trail)

    @property
    def database(self) -> CountedCommits:
        return self.store or self.service.database

    @property
    def caller(self) -> Principal:
        assert self.principal is not None, "a public route has no caller"
        return self.principal

    @property
    def person(self) -> Person:
        assert isinstance(self.principal, Person), "the route's access lets sessions in only"
        return self.principal

    @property
    def tenant_id(self) -> bytes:
        return self.caller.tenant.tenant_id

    @property
    def user_id(self) -> bytes | None:
        """The person who calls; None for a token."""
        return self.principal.user.user_id if isinstance(self.principal, Person) else None

    def payload(self, model: type[P]) -> P:
        """The body, which the route declares to be this model."""
        assert isinstance(self.body, model)
        return self.body

    def parameters(self, model: type[Q]) -> Q:
        """The query, which the route declares to be this model."""
        assert isinstance(self.query, model)
        return self.query

    def path_id(self, prefix: str, name: str) -> bytes:
        """The id in the path. Raises NotFound when it is malformed or of another kind."""
        raw = from_text(prefix, self.arguments[name])
        if raw is None:
            raise NotFound("no id of this kind")
        return raw


async def acting_inbox(tx: Tx, call: Call) -> bytes:
    """Return the inbox that this call is made for.

    Raises Problem `inbox_required`, NotFound for one that this user may not act for, and Invalid
    when the call names two.
    """
    caller = call.caller
    if isinstance(caller, Agent):
        return caller.inbox.inbox_id
    if not call.inbox_names:
        raise _inbox_required()
    # Compared as inboxes, not as texts: an id and an address may name the same one.
    inbox, *others = [await _own_inbox(tx, call, name) for name in call.inbox_names]
    if any(other != inbox for other in others):
        raise Invalid(FieldFault("inbox_id", "differs between body and query"))
    if inbox is None:
        raise NotFound("no inbox this user may act for")
    act_for(call, inbox)
    return inbox.inbox_id


def act_for(call: Call, inbox: Inbox) -> None:
    """Note that the call is made for this inbox, which its caller may act for."""
    call.trail.inbox_id, call.trail.address = inbox.inbox_id, inbox.address
    call.trail.foreign = inbox.owner_user_id != call.user_id and call.user_id is not None


async def _own_inbox(tx: Tx, call: Call, name: str) -> Inbox | None:
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=name)
    return inbox if inbox is not None and may_act_for(call.caller, inbox) else None


async def acting_view(tx: Tx, call: Call) -> View:
    """Return the acting inbox's view as of now. Raises as `acting_inbox`."""
    return View(call.tenant_id, await acting_inbox(tx, call), call.now)


def may_act_for(caller: Principal, inbox: Inbox) -> bool:
    """Whether the caller may: owners and admins for any inbox of the tenant, members for theirs."""
    if isinstance(caller, Agent):
        return inbox.inbox_id == caller.inbox.inbox_id
    return is_admin(caller) or inbox.owner_user_id == caller.user.user_id


async def named_inbox(tx: Tx, *, tenant_id: bytes, name: str) -> Inbox | None:
    """Return the tenant's inbox with this id or address."""
    try:
        inbox_id = from_text("inb", name)
        if inbox_id is not None:
            return await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)
        canonical = canonical_or_none(name)
        if canonical is not None:
            return await find_inbox_by_address(tx, tenant_id=tenant_id, canonical=canonical)
    except NotFound:  # one that is not there looks like a name that is none
        return None
    return None


async def inbox_in_path(tx: Tx, call: Call) -> Inbox:
    """Return the inbox in the path, by id or address. Raises Problem 404."""
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=call.arguments["inbox_id"])
    if inbox is None:
        raise not_found()
    return inbox


def _inbox_required() -> Problem:
    return Problem(
        400,
        "inbox_required",
        "A session must name the inbox it acts for.",
        faults=(FieldFault("inbox_id", "is required"),),
    )
