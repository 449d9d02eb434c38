"""What the engine interface promises, on both engines alike."""

import asyncio
import multiprocessing
from dataclasses import replace
from uuid import uuid4

import pytest

from storage.accounts import tenants
from storage.accounts.tenants import Tenant
from storage.address import parse_address
from storage.clock import system_clock
from storage.database import Database, Tx
from storage.directory import domains, inboxes, lists
from storage.errors import Invalid
from tests.support.engines import Engine


async def make_tenant(tx: Tx, name: str | None = None, kind: str = "Example") -> Tenant:
    return await tenants.create_tenant(tx, name=name or f"{kind} {uuid4().hex}", now=1)


def kind_of(tenant: Tenant) -> str:
    return tenant.name.partition(" ")[0]


async def names(tx: Tx) -> list[str]:
    return [kind_of(tenant) for tenant in await tenants.list_tenants(tx)]


async def test_what_a_write_made_is_there_for_the_next_read(database: Database) -> None:
    made = await database.write(make_tenant)

    found = await database.read(lambda tx: tenants.find_tenant(tx, tenant_id=made.tenant_id))
    peeked = await database.read_quick(lambda tx: tenants.find_tenant(tx, tenant_id=made.tenant_id))

    assert found == peeked == made


async def test_an_error_of_the_work_takes_everything_back(database: Database) -> None:
    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        await tenants.create_tenant(tx, name="", now=1)

    with pytest.raises(Invalid):
        await database.write(work)

    assert await database.read(names) == []


async def test_an_error_of_the_database_takes_everything_back(database: Database) -> None:
    async def work(tx: Tx) -> None:
        made = await make_tenant(tx)
        await tx.execute(
            "INSERT INTO tenants (tenant_id, name, plan, governance, created_at)"
            " VALUES (:tenant_id, 'x', 'x', 'x', 0)",
            {"tenant_id": made.tenant_id},
        )

    with pytest.raises(Exception, match=r"(?i)unique"):
        await database.write(work)

    assert await database.read(names) == []
    await database.write(make_tenant)


async def test_a_read_changes_nothing_and_makes_no_ids(database: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        await database.read(lambda tx: tx.execute("DELETE FROM tenants"))
    with pytest.raises(RuntimeError, match="no ids"):
        await database.read(make_tenant)


async def test_a_read_sees_one_moment_however_long_it_takes(engine: Engine) -> None:
    reader, writer = await engine.open(), await engine.open()
    began, written = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await began.wait()
        await writer.write(make_tenant)
        written.set()

    async def work(tx: Tx) -> tuple[list[str], list[str]]:
        before = await names(tx)
        if engine.name == "postgresql":  # the embedded engine's reads never let others run
            began.set()
            await written.wait()
        return before, await names(tx)

    writing = asyncio.create_task(write())
    assert await reader.read(work) == ([], [])
    began.set()
    await writing
    assert await reader.read(names) == ["Example"]
    await reader.close()
    await writer.close()


async def test_rows_that_were_changed_are_counted(database: Database) -> None:
    async def work(tx: Tx) -> tuple[int, int, int]:
        rows = [{"name": f"n{number}", "value": number} for number in range(3)]
        insert = "INSERT INTO store_state (name, value) VALUES (:name, :value)"
        await tx.execute_many(insert, rows)
        await tx.execute_many(insert, [])
        quiet = await tx.execute(insert + " ON CONFLICT (name) DO NOTHING", rows[0])
        changed = await tx.execute(
            "UPDATE store_state SET value = value + :more WHERE name LIKE 'n%'", {"more": 1}
        )
        deleted = await tx.execute("DELETE FROM store_state WHERE name = 'n9'")
        return quiet, changed, deleted

    assert await database.write(work) == (0, 3, 0)


@pytest.mark.parametrize(
    "text", ["100 %", "%s %(a)s $1 :name", "it's", "a::b", "\\", "é\U0001f4ec", ""]
)
async def test_any_text_is_kept_as_it_is(database: Database, text: str) -> None:
    made = await database.write(lambda tx: make_tenant(tx, f"{text}!"))

    async def found(tx: Tx) -> list[bytes]:
        rows = await tx.fetch_all(
            "SELECT tenant_id FROM tenants WHERE name = :name AND name <> '%:name''s'",
            {"name": f"{text}!"},
        )
        return [row["tenant_id"] for row in rows]

    assert await database.read(found) == [made.tenant_id]


async def test_numbers_are_plain_and_truth_is_one_or_zero(database: Database) -> None:
    async def work(tx: Tx) -> list[object]:
        await tx.execute_many(
            "INSERT INTO store_state (name, value) VALUES (:name, :value)",
            [{"name": "yes", "value": True}, {"name": "no", "value": False}],
        )
        row = await tx.fetch_one(
            "SELECT SUM(value) AS total, COUNT(*) AS number, MAX(value) AS most,"
            " EXISTS (SELECT 1 FROM tenants) AS any"
            " FROM store_state WHERE name IN ('yes', 'no')"
        )
        assert row is not None
        return [row["total"], row["number"], row["most"], row["any"]]

    found = await database.write(work)

    assert found == [1, 2, 1, 0]
    assert all(isinstance(value, int) for value in found)


async def test_text_is_ordered_by_its_octets_whatever_the_locale(database: Database) -> None:
    given = ["a", "B", "b", "A", "ä", "z", "_", "a b", "ab", "~"]

    async def work(tx: Tx) -> list[str]:
        for name in given:
            await make_tenant(tx, name)
        rows = await tx.fetch_all("SELECT name FROM tenants WHERE name > 'A' ORDER BY name")
        return [row["name"] for row in rows]

    assert await database.write(work) == sorted(name for name in given if name > "A")


async def test_bytes_come_back_as_bytes(database: Database) -> None:
    octets = bytes(range(256)) * 40

    async def work(tx: Tx) -> tuple[bytes, bytes | None]:
        await tx.execute_many(
            "INSERT INTO contents (message_id, sha256, size, body, file)"
            " VALUES (:id, :digest, :size, :body, :file)",
            [
                {"id": b"1", "digest": b"", "size": 1, "body": octets, "file": None},
                {"id": b"2", "digest": b"", "size": 1, "body": None, "file": "f"},
            ],
        )
        rows = await tx.fetch_all("SELECT body FROM contents ORDER BY message_id")
        return rows[0]["body"], rows[1]["body"]

    assert await database.write(work) == (octets, None)


async def test_text_that_cannot_be_stored_is_a_fault_that_leaves_nothing(
    database: Database,
) -> None:
    """The edges replace lone surrogates; here they are nobody's, and no reason to give up."""

    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        await make_tenant(tx, "\ud800")

    with pytest.raises(UnicodeEncodeError):
        await database.write(work)

    assert await database.read(names) == []


async def test_fifty_additions_of_one_member_are_one_membership(database: Database) -> None:
    tenant_id, list_id, inbox_id = await database.write(make_list)

    async def add(tx: Tx) -> tuple[lists.Member, bool]:
        return await lists.add_member(
            tx, tenant_id=tenant_id, list_id=list_id, inbox_id=inbox_id, now=1
        )

    answers = await asyncio.gather(*(database.write(add) for _ in range(50)))

    assert sorted(new for _, new in answers) == [False] * 49 + [True]
    assert len({member.member_id for member, _ in answers}) == 1
    found = await database.read(
        lambda tx: lists.list_members(tx, tenant_id=tenant_id, list_id=list_id)
    )
    assert len(found) == 1
    assert await database.read(added_events) == 1


async def make_list(tx: Tx) -> tuple[bytes, bytes, bytes]:
    tenant = await make_tenant(tx)
    await domains.trust_domain(tx, tenant_id=tenant.tenant_id, name="example.test", now=1)
    made = await lists.create_list(
        tx,
        tenant_id=tenant.tenant_id,
        address=parse_address("team@example.test"),
        name="Team",
        created_by=None,
        now=1,
    )
    inbox = await inboxes.create_inbox(
        tx,
        tenant_id=tenant.tenant_id,
        address=parse_address("ann@example.test"),
        display_name="",
        owner_user_id=None,
        now=1,
    )
    return tenant.tenant_id, made.list_id, inbox.inbox_id


async def added_events(tx: Tx) -> int:
    row = await tx.fetch_one("SELECT COUNT(*) AS n FROM events WHERE type = 'list.member_added'")
    return int(row["n"]) if row else 0


async def test_a_transaction_finds_what_it_read_still_true_when_it_writes(engine: Engine) -> None:
    """Two openings of one store count up together, and no count is lost."""
    stores = [await engine.open(), await engine.open()]
    await stores[0].write(
        lambda tx: tx.execute("INSERT INTO store_state (name, value) VALUES ('count', 0)")
    )

    async def count(tx: Tx) -> None:
        row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'count'")
        assert row is not None
        await tx.execute(
            "UPDATE store_state SET value = :value WHERE name = 'count'",
            {"value": row["value"] + 1},
        )

    await asyncio.gather(*(store.write(count) for _ in range(25) for store in stores))

    row = await stores[0].read(
        lambda tx: tx.fetch_one("SELECT value FROM store_state WHERE name = 'count'")
    )
    assert row is not None
    assert row["value"] == 50
    for store in stores:
        await store.close()


async def test_ids_rise_when_the_clock_goes_back(engine: Engine) -> None:
    given: list[bytes] = []
    for now in (2_000_000, 1_000_000, 1_000_000, 3_000_000):
        database = await engine.open(lambda now=now: now)  # type: ignore[misc]
        given += [(await database.write(make_tenant)).tenant_id for _ in range(2)]
        await database.close()

    assert given == sorted(set(given))


async def test_ids_rise_across_two_openings_of_one_store(engine: Engine) -> None:
    ahead, behind = await engine.open(lambda: 2_000_000), await engine.open(lambda: 1_000_000)

    given = [(await store.write(make_tenant)).tenant_id for store in (behind, ahead, behind, ahead)]

    assert given == sorted(given)
    await ahead.close()
    await behind.close()


def write_tenants(engine: Engine, number: int) -> None:
    """What the other process does: it opens the same store, and is no better than we are."""

    async def run() -> None:
        database = await engine.open()
        for _ in range(number):
            await database.write(lambda tx: make_tenant(tx, kind="theirs"))
        await database.close()

    asyncio.run(run())


async def test_two_processes_write_to_one_store(engine: Engine) -> None:
    database = await engine.open()
    theirs = replace(engine, databases=None)
    other = multiprocessing.get_context("spawn").Process(target=write_tenants, args=(theirs, 40))
    other.start()
    ours: list[bytes] = []
    while other.is_alive() or len(ours) < 40:
        ours.append((await database.write(lambda tx: make_tenant(tx, kind="ours"))).tenant_id)
    other.join()

    found = await database.read(tenants.list_tenants)
    assert other.exitcode == 0
    assert [kind_of(tenant) for tenant in found].count("theirs") == 40
    assert [tenant.tenant_id for tenant in found if kind_of(tenant) == "ours"] == ours
    await database.close()


async def test_a_caller_that_goes_away_does_not_stop_the_commit(engine: Engine) -> None:
    database = await engine.open()
    writing = asyncio.create_task(database.write(make_tenant))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await database.close()

    database = await engine.open()
    assert await database.read(names) == ["Example"]
    await database.close()


async def test_closing_waits_for_what_is_running(engine: Engine) -> None:
    database = await engine.open()
    writing = [asyncio.create_task(database.write(make_tenant)) for _ in range(5)]
    await asyncio.sleep(0)
    await database.close()

    assert all([kind_of(await task) == "Example" for task in writing])


async def test_the_clock_is_asked_for_ids_and_for_nothing_else(engine: Engine) -> None:
    asked = 0

    def clock() -> int:
        nonlocal asked
        asked += 1
        return system_clock()

    database = await engine.open(clock)
    asked = 0
    await database.read(names)
    assert asked == 0
    await database.write(make_tenant)
    assert asked == 1
    await database.close()
