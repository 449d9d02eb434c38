"""Imports made to hurt: what they may cost, and what others notice of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from admin_api.contacts import vcards
from admin_api.service.slots import Slots
from storage.contacts import import_cards as importing
from storage.contacts import same_card
from storage.contacts.cards import Card, joined
from storage.contacts.contacts import Contact, search_contacts, write_contacts
from storage.database import Database, Row, Store, Tx
from storage.migrations.m033_card_digests import m033_card_digests
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, World, deliver, open_world
from tests.support.engines import Engine

CONTACTS = "/v1/contacts/"
IMPORT = CONTACTS + "import/"
VCARD = {"Content-Type": "text/vcard"}


def card(name: str, *lines: str) -> str:
    return "\r\n".join(("BEGIN:VCARD", "VERSION:4.0", f"FN:{name}", *lines, "END:VCARD", ""))


async def imported(api: httpx2.AsyncClient, file: str) -> dict[str, object]:
    answer = await api.post(IMPORT, content=file.encode(), headers=VCARD)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def writes_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """For each transaction of an import: cards made, and cards written again."""
    seen: list[tuple[int, int]] = []

    async def counted(
        tx: Tx,
        *,
        tenant_id: bytes,
        made: list[Contact],
        changed: list[tuple[Contact, Contact]],
    ) -> None:
        seen.append((len(made), len(changed)))
        await write_contacts(tx, tenant_id=tenant_id, made=made, changed=changed)

    monkeypatch.setattr(importing, "write_contacts", counted)
    return seen


async def test_cards_for_one_card_are_joined_and_written_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SECONDS", 60.0)
    file = "".join(card("Ann", "EMAIL:ann@x.test", f"TEL:+1{number:03}") for number in range(100))
    async with world.client(SALES) as api:
        await imported(api, card("Ann", "EMAIL:ann@x.test"))
        seen = writes_of(monkeypatch)
        report = await imported(api, file)
        assert (report["merged"], seen) == (100, [(0, 1)])
        (found,) = (await api.get(CONTACTS)).json()["results"]
        assert len(found["phones"]) == 100


async def test_a_joined_card_is_held_to_the_limits_of_a_card(world: World) -> None:
    phones = [card("Ann", "EMAIL:ann@x.test", f"TEL:+1{number:03}") for number in range(120)]
    photo = [card("Bea", "EMAIL:bea@x.test", f"X-PHOTO:{letter * 200_000}") for letter in "abcd"]
    async with world.client(SALES) as api:
        report = await imported(api, "".join([*phones, *photo]))
        assert (report["created"], report["merged"], report["failed"]) == (2, 100, 22)
        made = [
            (await api.post(CONTACTS, json={"phones": [{"number": f"+{n}{m}"} for m in range(60)]}))
            for n in (2, 3)
        ]
        kept, other = (one.json()["id"] for one in made)
        answer = await api.post(f"{CONTACTS}{kept}/merge/", json={"contact_id": other})
        assert (answer.status_code, answer.json()["code"]) == (409, "card_too_large")
        assert (await api.get(f"{CONTACTS}{other}/")).status_code == 200


async def test_a_transaction_of_an_import_ends_after_a_while_or_so_many_octets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = writes_of(monkeypatch)
    file = "".join(card(f"Person {n}", f"X-PHOTO:{'x' * 100_000}") for n in range(40))
    async with world.client(SALES) as api:
        assert (await imported(api, file))["created"] == 40
        assert max(made for made, _ in seen) <= 11
        monkeypatch.setattr(importing, "SECONDS", 0.0)
        seen.clear()
        file = "".join(card(f"Other {number}") for number in range(30))
        assert (await imported(api, file))["created"] == 30
        assert seen == [(1, 0)] * 30


async def test_a_third_import_of_an_inbox_is_429_and_one_of_another_runs(world: World) -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.release()
        await go_on.wait()
        yield card("Ann").encode()

    async with world.client(SALES) as api, world.client(AGENT) as other:
        running = [
            asyncio.create_task(api.post(IMPORT, content=slow(), headers=VCARD)) for _ in range(2)
        ]
        for _ in running:
            await begun.acquire()
        third = await api.post(IMPORT, content=slow(), headers=VCARD)
        assert (third.status_code, third.json()["code"]) == (429, "import_running")
        assert int(third.headers["retry-after"]) > 0
        assert (await imported(other, card("Bea")))["created"] == 1
        go_on.set()
        assert {one.status_code for one in await asyncio.gather(*running)} == {200}
        assert (await imported(api, card("Ann too")))["created"] == 1


def test_a_slot_that_was_given_back_leaves_nothing() -> None:
    slots = Slots(2)
    assert [slots.take("a"), slots.take("a"), slots.take("a"), slots.take("b")] == [
        True,
        True,
        False,
        True,
    ]
    for key in ("a", "a", "b"):
        slots.give_back(key)
    assert slots._held == {}


async def test_an_import_ends_when_its_sender_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SECONDS", 0.0)
    taken = 0
    take = vcards._take

    async def counted(*given: object) -> list[importing.Imported]:
        nonlocal taken
        taken += 1
        if taken == 5:
            gone.set()
        done: list[importing.Imported] = await take(*given)  # type: ignore[arg-type]
        return done

    gone = asyncio.Event()
    monkeypatch.setattr(vcards, "_take", counted)
    body = "".join(card(f"Person {number}") for number in range(400)).encode()
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, object]:
        for message in sent:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError("nobody is there to be answered")

    scope = {
        "type": "http",
        "method": "POST",
        "path": IMPORT,
        "raw_path": IMPORT.encode(),
        "query_string": b"",
        "headers": [
            (b"content-type", b"text/vcard"),
            (b"authorization", f"Bearer {world.secrets[SALES]}".encode()),
        ],
        "client": ("127.0.0.1", 1),
    }
    await world.app(scope, receive, send)
    assert 5 <= taken < 20
    async with world.client(SALES) as api:
        assert 0 < (await api.get(CONTACTS)).json()["total"] < 20


async def test_the_answer_tells_of_the_first_cards_and_then_of_faults(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcards, "_TOLD", 5)
    nameless = "BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n"
    file = "".join(card(f"Person {number}") for number in range(8)) + nameless * 9
    async with world.client(SALES) as api:
        report = await imported(api, file)
    assert (report["created"], report["failed"]) == (8, 9)
    results = report["results"]
    assert isinstance(results, list)
    assert [one["position"] for one in results] == [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]


async def test_a_full_book_takes_no_more(engine: Engine) -> None:
    async with (
        open_world(engine, max_contacts_per_inbox=3) as world,
        world.client(SALES) as api,
        world.client(SUPPORT) as other,
    ):
        file = card("Ann", "EMAIL:ann@x.test") + card("Bea") + card("Cid") + card("Dee")
        file += card("Ann", "EMAIL:ann@x.test", "TEL:+1")
        report = await imported(api, file)
        assert (report["created"], report["failed"], report["merged"]) == (3, 1, 1)
        answer = await api.post(CONTACTS, json={"full_name": "Eve"})
        assert (answer.status_code, answer.json()["code"]) == (409, "contact_limit")
        theirs = (await other.post(CONTACTS, json={"full_name": "Fay"})).json()
        to = {"to_inbox_id": world.ids[SALES]}
        answer = await other.post(f"{CONTACTS}{theirs['id']}/handoff/", json=to)
        assert (answer.status_code, answer.json()["code"]) == (409, "contact_limit")
        offer = {"type": "offer", "contact_id": theirs["id"], **to}
        share = (await other.post(f"{CONTACTS}shares/", json=offer)).json()["share_id"]
        answer = await api.post(f"{CONTACTS}shares/{share}/accept/")
        assert (answer.status_code, answer.json()["code"]) == (409, "contact_limit")
        assert (await api.get(CONTACTS)).json()["total"] == 3


async def test_mail_and_calls_of_another_tenant_go_on_beside_an_import_made_to_hurt(
    world: World,
) -> None:
    """One card of thousands of lines, again and again: each join costs as much as it can."""
    lines = [f"X-{n}:{'y' * 20}" for n in range(9_000)]
    hurting = card("Ann", "EMAIL:ann@x.test", *lines)
    file = "".join(hurting.replace("X-1:", f"X-1{n}A:") for n in range(5))
    async with world.client(SALES) as api, world.client(FOREIGN_INBOX) as foreign:
        running = asyncio.create_task(imported(api, file))
        done = 0
        while not running.done():
            async with asyncio.timeout(10):
                await foreign.post("/v1/tasks/", json={"title": f"Task {done}"})
                await deliver(world, "desk@other.test", tenant="Other")
            done += 1
        await running
    assert done > 10


class Recorded:
    """A transaction whose rows are counted in characters."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.dialect = tx.dialect
        self.characters = 0

    async def fetch_all(self, sql: str, params: dict[str, object]) -> list[Row]:
        rows = await self._tx.fetch_all(sql, params)
        self.characters += sum(len(str(value)) for row in rows for value in dict(row).values())
        return rows

    async def fetch_one(self, sql: str, params: dict[str, object]) -> Row | None:
        return await self._tx.fetch_one(sql, params)


async def test_a_list_of_contacts_does_not_read_whole_cards(world: World) -> None:
    photo = "x" * 400_000
    async with world.client(SALES) as api:
        await imported(api, "".join(card(f"Person {n}", f"PHOTO:{photo}") for n in range(5)))
        (first, *_) = (await api.get(CONTACTS)).json()["results"]
        assert photo in (await api.get(f"{CONTACTS}{first['id']}/vcard/")).text.replace("\r\n ", "")

    async def work(tx: Tx) -> int:
        recorded = Recorded(tx)
        page = await search_contacts(
            recorded,  # type: ignore[arg-type]
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            text="",
            position=0,
            limit=200,
        )
        assert page.total == len(page.contacts) == 5
        return recorded.characters

    assert await read(world.database, work) < 5_000


async def read(database: Database | Store, work: object) -> int:
    found: int = await database.read(work)  # type: ignore[arg-type]
    return found


async def test_namesakes_are_not_compared_each_with_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SECONDS", 60.0)
    compared: list[None] = []

    def counted(kept: Card, other: Card) -> Card:
        compared.append(None)
        return joined(kept, other)

    monkeypatch.setattr(same_card, "joined", counted)
    number = iter(range(10_000))
    towns = [card("Ann", f"ADR:;;;Town {next(number)};;;") for _ in range(400)]
    phones = [card("Ann", f"TEL:+1555{next(number):05}") for _ in range(400)]
    steps: list[int] = []
    async with world.client(SALES) as api:
        for cards in (towns, phones):
            for file in (cards[:100], cards[100:]):
                before = len(compared)
                assert (await imported(api, "".join(file)))["created"] == len(file)
                steps.append(len(compared) - before)
        for cards in (phones, towns):
            assert (await imported(api, "".join(cards)))["unchanged"] == len(cards)
    # Fifty namesakes are looked at, not those that the file brought before.
    assert steps[0] == 0, steps
    assert steps[1] <= 51 * 300, steps
    assert steps[2:] == [0, 0], steps


@pytest.mark.parametrize(
    "line",
    [
        "NOTE:met at stand {n}",
        "NOTE:{n} " + "and so on " * 40,
        "X-STAND:{n}",
        "ORG:Firm\r\nTITLE:{n}",
    ],
)
async def test_many_cards_of_one_name_without_a_number_are_not_doubled(
    world: World, line: str
) -> None:
    file = "".join(card("Ann", line.format(n=number)) for number in range(70))
    async with world.client(SALES) as api:
        assert (await imported(api, file))["created"] == 70
        assert (await imported(api, file))["unchanged"] == 70
        assert (await imported(api, card("Ann", line.format(n=70))))["created"] == 1


async def test_cards_of_an_older_release_are_not_doubled_either(world: World) -> None:
    file = "".join(card("Ann", f"X-STAND:{number}") for number in range(70))

    async def as_before(tx: Tx) -> None:
        await tx.execute("DROP INDEX contacts_by_digest")
        await tx.execute("ALTER TABLE contacts DROP COLUMN digest")
        await m033_card_digests(tx)

    async with world.client(SALES) as api:
        assert (await imported(api, file))["created"] == 70
        await world.database.write(as_before)
        assert (await imported(api, file))["unchanged"] == 70
