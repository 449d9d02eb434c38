"""Import of cards from a file: which card of the book each one is, and the result.

- A card that has an address of a card in the book is that card; without an address in common, the
  one with its UID; else one of its name (`storage.contacts.same_card`); else it is new. Nothing in
  the book is lost or replaced, so importing the same file twice changes nothing.
- A card whose addresses are on two cards of the book is skipped: it could be either. One that would
  make a card larger than a card may be fails, and so does a new one in a full book.
- Cards are joined in memory; however often the file names a card, it is written once.
- One transaction takes as many as its budget allows, so that no other writer waits long.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from storage.contacts.cards import Card, joined, octets_of, why_too_large
from storage.contacts.contacts import (
    MOST_NAMED,
    Contact,
    contact_ids,
    contact_ids_by_uid,
    contacts_alike,
    contacts_named,
    find_contact,
    free_places,
    known_names,
    write_contacts,
)
from storage.contacts.same_card import likeness, same_named_card
from storage.contacts.vcards import ReadCard, Unreadable
from storage.database import Tx
from storage.errors import NotFound
from storage.ids import from_text, to_text

SECONDS = 0.03
OCTETS = 1 << 20
"""Cards are taken for `SECONDS`, or until they hold `OCTETS`; then they are written. Together that
is some 50 ms."""

_AT_ONCE = 200
_ADDRESSES_AT_ONCE = 1_000

_URN = "urn:uuid:"
_FULL = "This inbox has as many contacts as it may."


@dataclass(slots=True)
class _Budget:
    """The budget left of one transaction; `ticks` are seconds that never jump."""

    ticks: Callable[[], float]
    until: float
    octets: int = OCTETS

    def spend(self, card: Card) -> None:
        """Count a card that was read or taken in."""
        self.octets -= octets_of(card)

    @property
    def is_spent(self) -> bool:
        return self.octets <= 0 or self.ticks() >= self.until


@dataclass(frozen=True, slots=True)
class Imported:
    """The result for one card; `contact_id` is None when it was skipped."""

    status: Literal["created", "merged", "unchanged", "skipped", "failed"]
    contact_id: bytes | None
    message: str = ""


@dataclass(slots=True)
class _Book:
    """The part of an inbox's book that some cards can touch, with their changes so far.

    `owners` are the cards that have an address, `by_uid` those that have a UID, `names` the sort
    keys that a card had before, `named` the oldest cards of some of them; `made` are the cards
    since by what is on them: looking at each of a name would take the square of their number.
    `before` are the contacts as they were read, `now` as they are to be. `room` is how many more
    there may be.
    """

    tenant_id: bytes
    inbox_id: bytes
    owners: dict[str, bytes]
    by_uid: dict[str, bytes]
    names: set[str]
    room: int
    named: dict[str, list[bytes]] = field(default_factory=dict)
    made: dict[Hashable, list[bytes]] = field(default_factory=dict)
    before: dict[bytes, Contact] = field(default_factory=dict)
    now: dict[bytes, Contact] = field(default_factory=dict)


def next_cards(found: Iterator[ReadCard | Unreadable]) -> list[ReadCard | Unreadable]:
    """Cards for a transaction or two: their number, addresses and octets are bounded."""
    taken: list[ReadCard | Unreadable] = []
    octets = addresses = 0
    for one in found:
        taken.append(one)
        if isinstance(one, ReadCard):
            octets += octets_of(one.card)
            addresses += len(one.card.emails)
        if len(taken) >= _AT_ONCE or octets >= OCTETS or addresses >= _ADDRESSES_AT_ONCE:
            break
    return taken


async def import_cards(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    found: Sequence[ReadCard | Unreadable],
    most_contacts: int,
    ticks: Callable[[], float],
    now: int,
) -> list[Imported]:
    """Take the first of some cards in, one at least; what became of each, in their order.

    `ticks` are seconds that never jump: the transaction ends by them.
    """
    cards = [one.card for one in found if isinstance(one, ReadCard)]
    book = await _opened(tx, tenant_id, inbox_id, cards, most_contacts)
    budget = _Budget(ticks, ticks() + SECONDS)
    done: list[Imported] = []
    for one in found:
        # One card at least: one that is larger than the budget would stop the import for ever.
        if done and budget.is_spent:
            break
        if isinstance(one, Unreadable):
            done.append(Imported(one.status, None, one.message))
        else:
            budget.spend(one.card)
            result = await _import(tx, book, one.card, budget, now)
            message = " ".join(filter(None, (result.message, one.told)))
            done.append(replace(result, message=message))
    made = [contact for key, contact in book.now.items() if key not in book.before]
    changed = [
        (book.before[key], contact)
        for key, contact in book.now.items()
        if key in book.before and contact is not book.before[key]
    ]
    await write_contacts(tx, tenant_id=tenant_id, made=made, changed=changed)
    return done


async def _opened(
    tx: Tx, tenant_id: bytes, inbox_id: bytes, cards: Sequence[Card], most_contacts: int
) -> _Book:
    canonicals = {canonical for card in cards for canonical in card.canonicals}
    uids = {form for card in cards if card.uid for form in _forms_of_uid(card.uid)}
    names = {card.sort_key for card in cards}
    return _Book(
        tenant_id,
        inbox_id,
        await contact_ids(tx, inbox_id=inbox_id, canonicals=canonicals),
        await contact_ids_by_uid(tx, tenant_id=tenant_id, inbox_id=inbox_id, uids=uids),
        await known_names(tx, tenant_id=tenant_id, inbox_id=inbox_id, names=names),
        await free_places(tx, inbox_id=inbox_id, most=most_contacts),
    )


async def _import(tx: Tx, book: _Book, card: Card, budget: _Budget, now: int) -> Imported:
    there = {book.owners[one] for one in card.canonicals if one in book.owners}
    if len(there) > 1:
        return Imported("skipped", None, "Its addresses are on several cards of this inbox.")
    same = await _loaded(tx, book, there.pop(), budget) if there else None
    same = same or await _with_uid(tx, book, card.uid, budget)
    same = same or same_named_card(await _named(tx, book, card, budget), card, now)
    if same is None:
        return _create(tx, book, card, now)
    if card.uid == to_text("ctc", same.contact_id):
        card = replace(card, uid="")  # it is the name that an export gave to what has none
    if not same.card.full_name and card.full_name == same.card.title:
        card = replace(card, full_name="")  # an export names what has no name
    after = joined(same.card, card)
    # Before the refusals: a card that changes nothing is no fault, not even of a read-only one.
    if after == same.card:
        return Imported("unchanged", same.contact_id)
    if same.read_only:
        return Imported("skipped", None, "Its card was handed over and can only be read.")
    too_large = why_too_large(after)
    if too_large:
        return Imported("failed", None, f"Joined with the card that is there: {too_large}")
    _put(book, replace(same, card=after, updated_at=now))
    return Imported("merged", same.contact_id)


def _create(tx: Tx, book: _Book, card: Card, now: int) -> Imported:
    if book.room < 1:
        return Imported("failed", None, _FULL)
    book.room -= 1
    made = Contact(tx.new_id(), book.inbox_id, card, {}, False, now, now)
    _put(book, made)
    return Imported("created", made.contact_id)


def _put(book: _Book, contact: Contact) -> None:
    book.now[contact.contact_id] = contact
    book.made.setdefault(likeness(contact.card), []).append(contact.contact_id)
    book.owners |= dict.fromkeys(contact.card.canonicals, contact.contact_id)
    if contact.card.uid:
        book.by_uid.setdefault(contact.card.uid, contact.contact_id)


async def _loaded(tx: Tx, book: _Book, contact_id: bytes, budget: _Budget) -> Contact:
    if contact_id not in book.now:
        found = await find_contact(
            tx, tenant_id=book.tenant_id, inbox_id=book.inbox_id, contact_id=contact_id
        )
        budget.spend(found.card)
        book.before[contact_id] = book.now[contact_id] = found
    return book.now[contact_id]


async def _with_uid(tx: Tx, book: _Book, uid: str, budget: _Budget) -> Contact | None:
    """The card with this UID; one without its own is exported with its id as UID."""
    contact_id = from_text("ctc", uid) if uid else None
    if contact_id is not None:
        try:
            return await _loaded(tx, book, contact_id, budget)
        # It only looks like an id of ours, or is of another book: a UID like any other.
        except NotFound:
            pass
    known = next((one for one in _forms_of_uid(uid) if one in book.by_uid), None)
    return await _loaded(tx, book, book.by_uid[known], budget) if uid and known else None


def _forms_of_uid(uid: str) -> tuple[str, ...]:
    """A UID as it is, and as programs write the same one in 3.0 and in 4.0 (RFC 6350 6.7.6)."""
    bare = uid[len(_URN) :] if uid[: len(_URN)].lower() == _URN else uid
    return (uid, bare, f"{_URN}{bare}")


async def _named(tx: Tx, book: _Book, card: Card, budget: _Budget) -> list[Contact]:
    """Cards of the name of this one that could be it, as they are to be; those alike first."""
    key, place = card.sort_key, {"tenant_id": book.tenant_id, "inbox_id": book.inbox_id}
    alike: list[bytes] = []
    if key in book.names and key not in book.named:
        named = await contacts_named(tx, **place, sort_key=key)
        book.named[key] = _known(book, named, budget)
    if len(book.named.get(key, ())) == MOST_NAMED:  # else those are all
        alike = _known(book, await contacts_alike(tx, **place, card=card), budget)
    made = book.made.get(likeness(card), ())
    found = dict.fromkeys((*alike, *book.named.get(key, ()), *made))
    return [book.now[one] for one in found]


def _known(book: _Book, contacts: Sequence[Contact], budget: _Budget) -> list[bytes]:
    for one in contacts:
        budget.spend(one.card)
        if one.contact_id not in book.now:
            book.before[one.contact_id] = book.now[one.contact_id] = one
    return [one.contact_id for one in contacts]
