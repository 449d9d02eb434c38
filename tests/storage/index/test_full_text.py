"""Words go into the full-text index of either engine and come out of it as they were."""

from functools import partial

from storage.database import Store
from storage.index.full_text import (
    entries_after,
    forget,
    index,
    index_in_order,
    last_entry,
)
from storage.index.words import FILLER, Document, Entry, pack, unpack
from tests.support.cases import cases

DOCUMENTS = {
    "every field": Document(("ada",), ("bob", "eve"), ("a", "plan"), ("the", "fox", "the", "end")),
    "no words": Document(),
    "a body alone": Document(body=("fox", "and", "fox")),
    "no body": Document(sender=("ada", "ada"), subject=("plan",)),
    "fillers": Document(("ada",), (), (FILLER, "plan"), ("the", FILLER, FILLER, "end")),
    "one word in all fields": Document(("x",), ("x",), ("x",), ("x", "x")),
    "other scripts": Document(body=("pl\u00e1n", "\u6771\u4eac", "\u4eac\u90fd", "\u90fd")),
    "many": Document(body=tuple(f"w{number % 900}" for number in range(15_000))),
}
SCOPES = ["attachment", "i00", "l11"]


async def test_words_come_out_of_the_index_as_they_went_in(database: Store) -> None:
    entries: list[Entry] = [
        (number.to_bytes(8, "big") + bytes(8), SCOPES if number else [], pack(document))
        for number, document in enumerate(DOCUMENTS.values(), 1)
    ]
    await database.write(lambda tx: index(tx, entries))
    found: list[Entry] = []
    for _ in DOCUMENTS:
        after = found[-1][0] if found else b""
        found += await database.read(partial(entries_after, message_id=after, limit=3))
    assert await database.read(last_entry) == entries[-1][0]
    with cases() as case:
        for name, wanted, entry in zip(DOCUMENTS, entries, found, strict=True):
            with case(name):
                assert (entry[0], sorted(entry[1])) == (wanted[0], list(wanted[1]))
                assert unpack(entry[2]) == unpack(wanted[2])


async def test_messages_of_one_microsecond_are_told_apart(database: Store) -> None:
    # Two tenants' writers on PostgreSQL may give such ids, and the store may come to SQLite.
    ids = [number.to_bytes(8, "big") + bytes([last]) * 8 for number in (7, 8) for last in (1, 2)]
    entries: list[Entry] = [
        (one, [f"i{place}"], pack(Document(body=(f"word{place}",))))
        for place, one in enumerate(ids)
    ]
    await database.write(lambda tx: index_in_order(tx, entries[:2]))
    await database.write(lambda tx: index_in_order(tx, entries[2:]))

    found = await database.read(lambda tx: entries_after(tx, message_id=ids[0], limit=9))
    assert [one[0] for one in found] == ids[1:]
    await database.write(lambda tx: forget(tx, message_id=ids[2]))
    found = await database.read(lambda tx: entries_after(tx, message_id=b"", limit=9))
    assert [unpack(one[2])["body"] for one in found] == ["word0", "word1", "word3"]
