"""The author of a letter, and the recipients of an answer.

- An answer goes in the name of the list by which the answered copy came; a list's address is for
  its members. Otherwise it goes in the inbox's own name.
- A list says whether its members answer as the list, as themselves (then Reply-To is the list), or
  as they like, and under which name.
- An answer goes to Reply-To, else From; when that is ours, to those the message went to. With
  `reply_all` the others of To and Cc get it too, but for our own addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from admin_api.access.credentials import Agent
from admin_api.call.call import Call
from admin_api.http.problems import Problem
from storage.address import canonical_or_none
from storage.database import Tx
from storage.directory.address_tokens import without_token
from storage.directory.domains import require_verified
from storage.directory.inboxes import Inbox, aliases_of
from storage.directory.lists import DistributionList, find_list, find_list_by_address
from storage.errors import FieldFault, Invalid, NotFound
from storage.mailbox.copies import Copy, Mailbox
from storage.sql import in_list


@dataclass(frozen=True, slots=True)
class Sender:
    """The author of a letter; `list_id` is the list whose members get a copy of it."""

    mailbox: Mailbox
    reply_to: str | None
    list_id: bytes | None
    domain: str


async def sender_of(
    tx: Tx, call: Call, inbox: Inbox, wish: str, answered_lists: Sequence[bytes]
) -> Sender:
    """Return the author, by what the call wishes: `list`, `inbox`, an address or nothing.

    Raises Invalid on `from`, Problem 403 `list_not_yours`.
    """
    mine = {
        bytes(alias.list_id): alias.address
        for alias in await aliases_of(tx, tenant_id=call.tenant_id, inbox_id=inbox.inbox_id)
    }
    by_copy = [one for one in dict.fromkeys(answered_lists) if one in mine]
    chosen, as_list = await _chosen(tx, call, inbox, wish=wish, by_copy=by_copy, mine=mine)
    person = inbox.display_name or _name_of_caller(call)
    if chosen is None:
        return await _verified(tx, call, Mailbox(person, inbox.address), None, None)
    found = await find_list(tx, tenant_id=call.tenant_id, list_id=chosen)
    if found.reply_as == "member" or (found.reply_as == "either" and not as_list):
        return await _verified(tx, call, Mailbox(person, inbox.address), found.address, chosen)
    if not as_list:
        raise _on_from("is not free here: members of this list answer as the list")
    return await _verified(
        tx, call, Mailbox(_list_name(found, person), found.address), None, chosen
    )


async def _chosen(
    tx: Tx, call: Call, inbox: Inbox, *, wish: str, by_copy: Sequence[bytes], mine: dict[bytes, str]
) -> tuple[bytes | None, bool]:
    """Return the list that is meant, if one is, and whether in its name."""
    canonical = canonical_or_none(wish) if "@" in wish else None
    if wish in ("", "list"):
        # No guess: members of one list would learn of the other one by the address.
        if len(by_copy) > 1:
            names = ", ".join(mine[one] for one in by_copy)
            raise Invalid(
                FieldFault("from", f"must say which list it goes from: {names}", "from_ambiguous")
            )
        if wish == "list" and not by_copy:
            raise _on_from("must be an address: the answered copy came by no list of this inbox")
        return (by_copy[0], True) if by_copy else (None, False)
    if wish == "inbox" or canonical == inbox.canonical:
        return (by_copy[0], False) if len(by_copy) == 1 else (None, False)
    if canonical is not None:
        try:
            found = await find_list_by_address(tx, canonical=canonical)
        except NotFound:
            raise _on_from("must be list, inbox, or an address of this inbox") from None
        # Another tenant's list gets the answer of one that is not there, below.
        if found.tenant_id == call.tenant_id:
            if found.list_id not in mine:
                raise Problem(403, "list_not_yours", "A list's address is for its members.")
            return found.list_id, True
    raise _on_from("must be list, inbox, or an address of this inbox")


def _on_from(message: str) -> Invalid:
    return Invalid(FieldFault("from", message))


def _name_of_caller(call: Call) -> str:
    return "" if isinstance(call.caller, Agent) else call.caller.user.name


def _list_name(found: DistributionList, person: str) -> str:
    if found.reply_name == "member":
        return person
    if found.reply_name == "list" or not person:
        return found.name
    return f"{person} ({found.name})" if found.name else person


async def _verified(
    tx: Tx, call: Call, mailbox: Mailbox, reply_to: str | None, list_id: bytes | None
) -> Sender:
    canonical = canonical_or_none(mailbox.email) or ""
    domain = canonical.rpartition("@")[2]
    await require_verified(tx, tenant_id=call.tenant_id, name=domain, field="from")
    local_part = mailbox.email.rpartition("@")[0]
    return Sender(Mailbox(mailbox.name, f"{local_part}@{domain}"), reply_to, list_id, domain)


async def ours_of(tx: Tx, *, tenant_id: bytes, addresses: Collection[str]) -> set[str]:
    """Return the canonical forms of those of these addresses that are the tenant's own.

    One with a token for answers is the address without it.
    """
    named = {one for one in map(_canonical, addresses) if one is not None}
    if not named:
        return set()
    chosen, names = in_list(sorted(named))
    rows = await tx.fetch_all(
        f"SELECT canonical FROM addresses WHERE tenant_id = :tenant_id AND canonical IN ({chosen})",
        {"tenant_id": tenant_id, **names},
    )
    return {row["canonical"] for row in rows}


def _canonical(address: str) -> str | None:
    return canonical_or_none(without_token(address))


def recipients_of_answer(
    copy: Copy, reply_to: Sequence[Mailbox], ours: Collection[str], *, reply_all: bool
) -> tuple[list[Mailbox], list[Mailbox]]:
    """Return To and Cc of an answer."""

    def outside(found: Sequence[Mailbox]) -> list[Mailbox]:
        return [one for one in found if _canonical(one.email) not in ours]

    # An answer to a letter of ours goes once more to those it was for, not to ourselves.
    to = outside(reply_to or [copy.sender]) or outside(copy.to)
    if not reply_all:
        return to, []
    asked = {canonical_or_none(one.email) for one in to}
    cc = [*outside(copy.to), *outside(copy.cc)]
    return to, [one for one in cc if canonical_or_none(one.email) not in asked]
