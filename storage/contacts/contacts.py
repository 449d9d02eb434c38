"""Contacts: the stored cards of an inbox's book.

- A card belongs to one inbox; every look-up is by tenant and inbox.
- An address is on one card of a book at most, in any spelling.
- A card that was handed over stays with its giver, read-only.
- The origin of each part that came from another inbox is stored (`storage.contacts.cards.GROUPS`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from storage.contacts.cards import Card, folded, packed_apart, unpacked
from storage.database import Params, Row, Tx
from storage.errors import Conflict, NotFound
from storage.ids import to_text

_PAGE = 200
MOST_NAMED = 50  # each may be of half a megabyte
_BY_TEXT = 300  # the signs of the text that the index of `m032_alike_contacts` holds


@dataclass(frozen=True, slots=True)
class Source:
    """From whose book something came, and when (microseconds)."""

    inbox_id: bytes
    shared_at: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A card as stored. `sources` are by the part of the card that came from somebody else."""

    contact_id: bytes
    inbox_id: bytes
    card: Card
    sources: Mapping[str, Source]
    read_only: bool
    created_at: int
    updated_at: int

    @property
    def source(self) -> Source | None:
        """Where the last part came from; None for a card of one's own."""
        return max(self.sources.values(), key=lambda one: one.shared_at, default=None)


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Some cards of a book without what stands beside their fields, and how many there are."""

    contacts: list[Contact]
    total: int


async def create_contact(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    card: Card,
    sources: Mapping[str, Source] | None = None,
    now: int,
    most_contacts: int,
    contact_id: bytes | None = None,
) -> Contact:
    """A new card; `contact_id` brings one back under the id that it had.

    Raises Conflict: `address_taken`, which names the card that has the address, and `contact_limit`
    in a book that has `most_contacts`.
    """
    if await free_places(tx, inbox_id=inbox_id, most=most_contacts) < 1:
        raise Conflict("contact_limit", f"An inbox has {most_contacts} contacts at most.")
    contact = Contact(contact_id or tx.new_id(), inbox_id, card, sources or {}, False, now, now)
    await _take_addresses(tx, contact)
    await tx.execute(_INSERT, {**_columns(contact), "tenant_id": tenant_id, "now": now})
    return contact


async def free_places(tx: Tx, *, inbox_id: bytes, most: int) -> int:
    """How many more contacts an inbox may have that may have `most`."""
    row = await tx.fetch_one(
        """
        SELECT COUNT(*) AS held
        FROM (SELECT 1 FROM contacts WHERE inbox_id = :inbox_id LIMIT :most) c
        """,
        {"inbox_id": inbox_id, "most": most},
    )
    return most - (row["held"] if row else 0)


async def write_contacts(
    tx: Tx,
    *,
    tenant_id: bytes,
    made: Sequence[Contact],
    changed: Sequence[tuple[Contact, Contact]],
) -> None:
    """Write new contacts, and those that were joined, each before and after.

    No address of theirs is on another card, and a join takes none away.
    """
    await tx.execute_many(
        _INSERT,
        [{**_columns(one), "tenant_id": tenant_id, "now": one.created_at} for one in made],
    )
    await tx.execute_many(
        _UPDATE,
        [
            {**_columns(one), "tenant_id": tenant_id, "read_only": 0, "now": one.updated_at}
            for _, one in changed
        ],
    )
    rows = [row for contact in made for row in _address_rows(contact)]
    for before, after in changed:
        known = {*before.card.canonicals}
        rows += [row for row in _address_rows(after) if row["canonical"] not in known]
    await tx.execute_many(_ADDRESS, rows)


_INSERT = """
    INSERT INTO contacts
        (contact_id, tenant_id, inbox_id, sort_key, search, uid, card, apart, digest, sources,
         read_only, created_at, updated_at)
    VALUES
        (:contact_id, :tenant_id, :inbox_id, :sort_key, :search, :uid, :card, :apart, :digest,
         :sources, 0, :now, :now)
"""
_UPDATE = """
    UPDATE contacts
    SET sort_key = :sort_key, search = :search, uid = :uid, card = :card, apart = :apart,
        digest = :digest, sources = :sources, read_only = :read_only, updated_at = :now
    WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND contact_id = :contact_id
"""
_ADDRESS = """
    INSERT INTO contact_addresses (inbox_id, canonical, contact_id)
    VALUES (:inbox_id, :canonical, :contact_id)
"""


def _address_rows(contact: Contact) -> list[dict[str, object]]:
    return [
        {"inbox_id": contact.inbox_id, "contact_id": contact.contact_id, "canonical": canonical}
        for canonical in contact.card.canonicals
    ]


async def replace_card(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    card: Card,
    sources: Mapping[str, Source] | None = None,
    read_only: bool = False,
    now: int,
) -> Contact:
    """Put another card in the place of a contact's. Raises Conflict `address_taken`."""
    kept = contact.sources if sources is None else sources
    changed = Contact(
        contact.contact_id, contact.inbox_id, card, kept, read_only, contact.created_at, now
    )
    await _take_addresses(tx, changed)
    await tx.execute(
        _UPDATE,
        {**_columns(changed), "tenant_id": tenant_id, "read_only": int(read_only), "now": now},
    )
    return changed


def require_own(contact: Contact) -> None:
    """Raises Conflict `read_only` for a card that was handed over."""
    if contact.read_only:
        raise Conflict("read_only", "This card was handed over and is read-only.")


async def remove_contact(tx: Tx, *, tenant_id: bytes, contact: Contact) -> None:
    """Take a card out of its book."""
    key = {
        "tenant_id": tenant_id,
        "inbox_id": contact.inbox_id,
        "contact_id": contact.contact_id,
    }
    await tx.execute(
        "DELETE FROM contact_addresses WHERE inbox_id = :inbox_id AND contact_id = :contact_id", key
    )
    await tx.execute(
        """
        DELETE FROM contacts
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND contact_id = :contact_id
        """,
        key,
    )


async def find_contact(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, contact_id: bytes) -> Contact:
    """Raises NotFound, also for a card of another book."""
    row = await tx.fetch_one(
        _CONTACT + " AND contact_id = :contact_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "contact_id": contact_id},
    )
    if row is None:
        raise NotFound("no such contact")
    return _contact(row)


async def contacts_with(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, canonicals: Collection[str]
) -> list[Contact]:
    """The cards of a book that have one of these addresses."""
    if not canonicals:
        return []
    chosen, names = in_texts(canonicals)
    rows = await tx.fetch_all(
        f"""
        {_CONTACT} AND contact_id IN (
            SELECT a.contact_id FROM contact_addresses a
            WHERE a.inbox_id = :inbox_id AND a.canonical IN ({chosen}))
        ORDER BY contact_id
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, **names},
    )
    return [_contact(row) for row in rows]


async def contact_ids_by_uid(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, uids: Collection[str]
) -> dict[str, bytes]:
    """For each of the UIDs that a card of the book has: the oldest that has it."""
    if not uids:
        return {}
    chosen, names = in_texts(uids)
    rows = await tx.fetch_all(
        f"""
        SELECT uid, contact_id FROM contacts
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND uid <> '' AND uid IN ({chosen})
        ORDER BY contact_id DESC
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, **names},
    )
    # The newest come first: of several with one UID the oldest is set last, and stays.
    return {row["uid"]: bytes(row["contact_id"]) for row in rows}


async def known_names(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, names: Collection[str]
) -> set[str]:
    """Those of these sort keys that a card of the book has."""
    if not names:
        return set()
    chosen, params = in_texts(names)
    rows = await tx.fetch_all(
        f"""
        SELECT DISTINCT sort_key FROM contacts
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND sort_key IN ({chosen})
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, **params},
    )
    return {row["sort_key"] for row in rows}


async def contacts_named(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, sort_key: str
) -> list[Contact]:
    """The oldest cards of a name, a few of them."""
    named = {"tenant_id": tenant_id, "inbox_id": inbox_id, "sort_key": sort_key}
    return await _oldest(tx, "sort_key = :sort_key", named, limit=MOST_NAMED)


async def contacts_alike(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, card: Card) -> list[Contact]:
    """A few cards that are equal to `card`, or of its name with a text that begins like its own.

    Of cards without address and number all have one text: they differ in their notes and lines.
    """
    book = {"tenant_id": tenant_id, "inbox_id": inbox_id}
    equal = {**book, "digest": _digest(*packed_apart(card))}
    begins = {**book, "sort_key": card.sort_key, "start": card.search_text[:_BY_TEXT]}
    alike = f"sort_key = :sort_key AND substr(search, 1, {_BY_TEXT}) = :start"
    return [
        *await _oldest(tx, "digest <> '' AND digest = :digest", equal, limit=MOST_NAMED),
        *await _oldest(tx, alike, begins, limit=MOST_NAMED),
    ]


async def contact_ids(tx: Tx, *, inbox_id: bytes, canonicals: Collection[str]) -> dict[str, bytes]:
    """For each of the addresses that is on a card of the book: which one."""
    if not canonicals:
        return {}
    chosen, names = in_texts(canonicals)
    rows = await tx.fetch_all(
        f"""
        SELECT canonical, contact_id FROM contact_addresses
        WHERE inbox_id = :inbox_id AND canonical IN ({chosen})
        """,
        {"inbox_id": inbox_id, **names},
    )
    return {row["canonical"]: bytes(row["contact_id"]) for row in rows}


async def search_contacts(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, text: str, position: int, limit: int
) -> ContactPage:
    """Cards by name, from the one at `position` on; each word of `text` has to be somewhere."""
    # Each word is compared with every card of the book: their number has to have a bound.
    words = folded(text).split()[:20]
    params: dict[str, object] = {f"w{n}": f"%{_literal(word)}%" for n, word in enumerate(words)}
    params |= {"tenant_id": tenant_id, "inbox_id": inbox_id, "position": position, "limit": limit}
    conditions = "".join(f" AND search LIKE :w{n} ESCAPE '!'" for n in range(len(words)))
    counted = await tx.fetch_one(
        f"""
        SELECT COUNT(*) AS total FROM contacts
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id {conditions}
        """,
        params,
    )
    rows = await tx.fetch_all(
        f"{_LISTED} {conditions} ORDER BY sort_key, contact_id LIMIT :limit OFFSET :position",
        params,
    )
    return ContactPage([_contact(row) for row in rows], int(counted["total"]) if counted else 0)


def _literal(word: str) -> str:
    # `%` and `_` are wildcards of LIKE: a search for `100%` must not find 1000.
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


async def contacts_after(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, after: bytes
) -> list[Contact]:
    """Some cards, oldest first, made after the card `after`; none when there are no more."""
    named = {"tenant_id": tenant_id, "inbox_id": inbox_id, "after": after}
    return await _oldest(tx, "contact_id > :after", named, limit=_PAGE)


async def _oldest(tx: Tx, where: str, params: Params, *, limit: int) -> list[Contact]:
    rows = await tx.fetch_all(f"{_CONTACT} AND {where} ORDER BY contact_id LIMIT {limit}", params)
    return [_contact(row) for row in rows]


async def _take_addresses(tx: Tx, contact: Contact) -> None:
    canonicals = contact.card.canonicals
    key = {"inbox_id": contact.inbox_id, "contact_id": contact.contact_id}
    for taken in (await contact_ids(tx, inbox_id=contact.inbox_id, canonicals=canonicals)).values():
        if taken != contact.contact_id:
            name = to_text("ctc", taken)
            raise Conflict(
                "address_taken",
                f"The card {name} of this inbox has one of these addresses already.",
            )
    await tx.execute(
        "DELETE FROM contact_addresses WHERE inbox_id = :inbox_id AND contact_id = :contact_id", key
    )
    await tx.execute_many(_ADDRESS, _address_rows(contact))


def in_texts(values: Iterable[str]) -> tuple[str, dict[str, object]]:
    """Texts as the inside of `IN (…)`: names, and what they stand for."""
    names: dict[str, object] = {f"text{number}": one for number, one in enumerate(values)}
    return ", ".join(f":{name}" for name in names), names


_CONTACT = """
    SELECT contact_id, inbox_id, card, apart, sources, read_only, created_at, updated_at
    FROM contacts WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id
"""
_LISTED = _CONTACT.replace("apart,", "'{}' AS apart,")  # half a megabyte a card, and not shown


def _columns(contact: Contact) -> dict[str, object]:
    card, apart = packed_apart(contact.card)
    return {
        "contact_id": contact.contact_id,
        "inbox_id": contact.inbox_id,
        "sort_key": contact.card.sort_key,
        "search": contact.card.search_text,
        "uid": contact.card.uid,
        "card": card,
        "apart": apart,
        "digest": _digest(card, apart),
        "sources": pack_sources(contact.sources),
    }


def _digest(card: str, apart: str) -> str:
    """As the index of `m033_card_digests` has it: equal for two cards that are stored alike."""
    return sha256(f"{card}\n{apart}".encode()).hexdigest()[:32]


def pack_sources(sources: Mapping[str, Source]) -> str:
    """Sources as they are stored."""
    return json.dumps({part: [one.inbox_id.hex(), one.shared_at] for part, one in sources.items()})


def unpack_sources(text: str) -> dict[str, Source]:
    """The sources that were stored."""
    found = json.loads(text)
    return {part: Source(bytes.fromhex(inbox), at) for part, (inbox, at) in found.items()}


def _contact(row: Row) -> Contact:
    return Contact(
        bytes(row["contact_id"]),
        bytes(row["inbox_id"]),
        unpacked(row["card"], row["apart"]),
        unpack_sources(row["sources"]),
        bool(row["read_only"]),
        row["created_at"],
        row["updated_at"],
    )
