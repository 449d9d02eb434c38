"""What is kept for a time: each kind on both sides of its border, and whose turn it is."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.jobs import retention
from gateway.jobs.retention import Incomplete, Tally, due, one_round
from storage.clock import DAY, HOUR, MINUTE
from storage.database import Row, Tx
from storage.ids import from_text
from storage.maintenance import job_lease
from storage.maintenance import retention as kinds
from storage.maintenance.inbox_removal import delete_inbox
from storage.maintenance.job_lease import (
    HELD,
    LeaseLost,
    acquire_lease,
    last_finished,
    release_lease,
    renew_lease,
)
from storage.maintenance.retention import AT_ONCE, KINDS, Kind, Moment, Removed
from tests.builders import AGENT, MESSAGE, SALES, START, SUPPORT, TEAM, World, deliver, open_world
from tests.support.engines import Engine

A_WEEK, A_MONTH = 7 * DAY, 30 * DAY


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


def an_id(instant: int) -> bytes:
    return instant.to_bytes(8, "big") + os.urandom(8)


async def insert(world: World, table: str, **columns: object) -> None:
    await insert_many(world, table, [columns])


async def insert_many(world: World, table: str, many: list[dict[str, object]]) -> None:
    names, places = ", ".join(many[0]), ", ".join(f":{name}" for name in many[0])
    sql = f"INSERT INTO {table} ({names}) VALUES ({places})"
    await world.database.write(lambda tx: tx.execute_many(sql, many))


async def rows(world: World, sql: str) -> list[Row]:
    return await world.database.read(lambda tx: tx.fetch_all(sql))


async def removed_at(world: World, now: int) -> dict[str, int]:
    """What a round at `now` removes, which is what was announced before."""
    world.clock.now = now
    told = await due(world.database, world.content, now=now)
    done = await one_round(world.database, world.content, now=now)
    assert done == {name: count for name, count in told.items() if count}
    assert not any((await due(world.database, world.content, now=now)).values())
    return done


# For each kind: its table, the columns of one row made at `at`, and when that is over.
SHARE = {"type": "offer", "include_notes": 0, "labels": "[]"}
TASK = {"title": "[Mentioned] x", "inbox_id": bytes(16)}
DELIVERY = {"alert_id": bytes(16), "type": "message.received"}
ENTRY = {
    "action": "list.create",
    "actor_type": "user",
    "actor_name": "Olga",
    "object_type": "list",
    "object_id": "lst_1",
    "object_name": "team",
    "details": "{}",
}


Made = dict[str, dict[str, object]]
# The kinds that are some rows of a table; the others are all of the table of their name.
TABLES = {
    "tasks_of_notes": "tasks",
    "shares_lapsed": "shares",
    "approvals_lapsed": "approvals",
    "merges": "contact_merges",
}


def made_at(kind: str, at: int, world: World) -> tuple[str, dict[str, object]]:
    """The table of a kind, and a row of it that was made at a time."""
    made = of_accounts(at, world) | of_teamwork(at, world) | of_contacts(at) | of_events(at)
    made |= of_drafts(at)
    tenant = {} if kind == "receipts" else {"tenant_id": world.tenant_id}
    return TABLES.get(kind, kind), tenant | made[kind]


def of_accounts(at: int, world: World) -> Made:
    key, user = an_id(at), world.raw["olga@people.test"]
    return {
        "receipts": {"digest": key, "message_id": key, "received_at": at, "owner": key},
        "idempotency_keys": {"key": key, "body": key, "claim_id": key, "claimed_at": at},
        "sessions": {
            "session_id": key,
            "user_id": user,
            "secret_hash": key,
            "created_at": at,
            "last_used_at": at + 14 * DAY,
            "expires_at": at + 14 * DAY,
        },
        "sign_in_links": {"user_id": user, "code_hash": key, "expires_at": at + 10 * MINUTE},
        "audit_log": {**ENTRY, "entry_id": key, "created_at": at},
    }


def of_teamwork(at: int, world: World) -> Made:
    key = an_id(at)
    parties = {"from_inbox_id": world.raw[SALES], "to_inbox_id": world.raw[SUPPORT]}
    share = {**SHARE, **parties, "share_id": key, "created_at": at}
    return {
        "notes": {
            "note_id": key,
            "thread_id": key,
            "author_inbox_id": world.raw[SALES],
            "body": "x",
            "created_at": at,
            "expires_at": at + 90 * DAY,
        },
        "tasks_of_notes": {
            **TASK,
            "task_id": key,
            "type": "mention",
            "created_at": at,
            "completed_at": at + DAY,
        },
        "shares_lapsed": {**share, "status": "pending"},
        "shares": {**share, "status": "declined", "resolved_at": at},
    }


def of_contacts(at: int) -> Made:
    key = an_id(at)
    names = ("merge_id", "inbox_id", "contact_id", "other_id")
    cards = ("before_card", "before_sources", "other_card", "other_sources")
    return {"merges": {**dict.fromkeys(names, key), **dict.fromkeys(cards, "{}"), "merged_at": at}}


def of_drafts(at: int) -> Made:
    key = an_id(at)
    ids = ("approval_id", "inbox_id", "token_id", "message_id", "thread_id", "task_id")
    approval = {
        **dict.fromkeys(ids, key),
        "subject": "x",
        "created_at": at,
        "expires_at": at + DAY,
    }
    return {
        "uploads": {
            "upload_id": key,
            "inbox_id": key,
            "filename": "a.txt",
            "content_type": "text/plain",
            "sha256": key,
            "size": 1,
            "file": f"0/{key.hex()}",
            "expires_at": at + DAY,
        },
        "approvals_lapsed": {**approval, "status": "pending"},
        "approvals": {**approval, "status": "rejected", "resolved_at": at},
        "drafts": {
            **dict.fromkeys(("draft_id", "thread_id", "inbox_id", "about_message_id"), key),
            **dict.fromkeys(("seen_message_id", "changed_by_inbox_id"), key),
            "letter": "{}",
            "version": 1,
            "created_at": at,
            "updated_at": at,
        },
    }


def of_events(at: int) -> Made:
    key = an_id(at)
    return {
        "activity": {"activity_id": key, "inbox_id": key, "type": "x", "created_at": at},
        "deliveries": {
            **DELIVERY,
            "delivery_id": key,
            "event_id": key,
            "status": "failed",
            "queued": key,
            "created_at": at - DAY,
            "finished_at": at,
        },
        "events": {"event_id": key, "type": "message.received", "created_at": at},
    }


PERIODS = {
    "receipts": 5 * DAY,
    "idempotency_keys": DAY,
    "sessions": 14 * DAY,
    "sign_in_links": 10 * MINUTE,
    "notes": 90 * DAY,
    "tasks_of_notes": 90 * DAY,
    "shares_lapsed": 30 * DAY,
    "shares": 7 * DAY,
    "merges": 30 * DAY,
    "activity": 730 * DAY,
    "deliveries": 7 * DAY,
    "events": 7 * DAY,
    "approvals_lapsed": DAY,
    "approvals": 30 * DAY,
    "uploads": DAY,
    "drafts": 90 * DAY,
    "audit_log": 365 * DAY,
    "trash": 30 * DAY,
    "inboxes": 30 * DAY,
}


def test_every_kind_has_its_period_here() -> None:
    assert {kind.name: kind.kept for kind in KINDS} == PERIODS


@pytest.mark.parametrize("kind", [name for name in PERIODS if name not in ("trash", "inboxes")])
async def test_a_row_stays_to_the_last_microsecond_and_goes_at_the_border(
    world: World, kind: str
) -> None:
    # The world's own rows are cleared away first: they are older than whatever is made here.
    now = START + 3000 * DAY
    await one_round(world.database, world.content, now=now)
    for number in range(2):
        table, columns = made_at(kind, now + number, world)
        await insert(world, table, **columns)
    border = now + PERIODS[kind]
    assert await removed_at(world, border - 1) == {}
    assert await removed_at(world, border) == {kind: 1}
    assert await removed_at(world, border + 1) == {kind: 1}


async def test_a_session_goes_twelve_hours_after_its_last_use(world: World) -> None:
    used = world.clock()
    assert "sessions" not in await removed_at(world, used + 12 * HOUR - 1)
    assert (await removed_at(world, used + 12 * HOUR))["sessions"] == 4


async def test_an_open_task_of_a_note_stays_and_a_completed_one_for_a_day(world: World) -> None:
    made = START + 3000 * DAY
    await one_round(world.database, world.content, now=made)
    for completed_at in (None, made + 200 * DAY):
        table, columns = made_at("tasks_of_notes", made, world)
        await insert(world, table, **columns | {"completed_at": completed_at})
    table, columns = made_at("tasks_of_notes", made, world)
    await insert(world, table, **columns | {"type": "manual"})
    completed = made + 200 * DAY
    assert await removed_at(world, completed + DAY - 1) == {}
    assert await removed_at(world, completed + DAY) == {"tasks_of_notes": 1}
    assert len(await rows(world, "SELECT task_id FROM tasks")) == 2


async def test_a_share_lapses_and_goes_a_week_later(world: World) -> None:
    made = START + 3000 * DAY
    await one_round(world.database, world.content, now=made)
    table, columns = made_at("shares_lapsed", made, world)
    await insert(world, table, **columns)
    lapsed = made + A_MONTH
    assert await removed_at(world, lapsed) == {"shares_lapsed": 1}
    assert "shares" not in await removed_at(world, lapsed + A_WEEK - 1)
    assert (await removed_at(world, lapsed + A_WEEK))["shares"] == 1


async def test_a_delivery_that_is_owed_stays(world: World) -> None:
    made = START + 3000 * DAY
    table, columns = made_at("deliveries", made, world)
    await insert(world, table, **columns | {"finished_at": None, "status": "pending"})
    assert "deliveries" not in await removed_at(world, made + 100 * DAY)


async def test_an_event_that_a_webhook_is_owed_stays_until_it_is_told(world: World) -> None:
    made = START + 3000 * DAY
    await one_round(world.database, world.content, now=made)
    table, columns = made_at("events", made, world)
    await insert(world, table, **columns)
    table, owed = made_at("deliveries", made, world)
    pending = owed | {"event_id": columns["event_id"], "finished_at": None, "status": "pending"}
    await insert(world, table, **pending)
    assert await removed_at(world, made + 9 * DAY) == {}
    told = {"now": made + 9 * DAY}
    await world.database.write(
        lambda tx: tx.execute(
            "UPDATE deliveries SET status = 'delivered', finished_at = :now", told
        )
    )
    assert await removed_at(world, made + 9 * DAY) == {"events": 1}
    assert await removed_at(world, made + 16 * DAY) == {"deliveries": 1}


async def put_in_trash(world: World, who: str, message: str) -> int:
    async with world.client(who) as api:
        assert (await api.delete(f"/v1/messages/{message}/")).status_code == 204
    return world.clock()


async def test_trash_goes_thirty_days_after_the_copy_came_there(world: World) -> None:
    message = await deliver(world, TEAM.lower(), file="0/large")
    (world.content.files / "0").mkdir()
    (world.content.files / "0/large").write_bytes(MESSAGE)
    first = await put_in_trash(world, SALES, message)
    world.clock.advance(20 * DAY)
    second = await put_in_trash(world, SUPPORT, message)
    async with world.client(SALES) as api:  # a mark, and the same folder again, change nothing
        change = {"is_read": True, "folder": "trash"}
        assert (await api.patch(f"/v1/messages/{message}/", json=change)).status_code == 200

    assert "trash" not in await removed_at(world, first + A_MONTH - 1)
    assert (await removed_at(world, first + A_MONTH))["trash"] == 1
    assert [row["inbox_id"] for row in await rows(world, "SELECT inbox_id FROM copies")] == [
        world.raw[SUPPORT]
    ]
    assert (world.content.files / "0/large").exists()
    assert (await removed_at(world, second + A_MONTH - 1)) == {}
    assert (await removed_at(world, second + A_MONTH))["trash"] == 1
    for table in ("copies", "messages", "contents", "trashed"):
        assert await rows(world, f"SELECT 1 FROM {table}") == []
    assert not (world.content.files / "0/large").exists()


async def test_a_copy_that_was_taken_out_of_the_trash_begins_anew(world: World) -> None:
    message = await deliver(world, SALES.lower())
    first = await put_in_trash(world, SALES, message)
    world.clock.advance(DAY)
    async with world.client(SALES) as api:
        await api.patch(f"/v1/messages/{message}/", json={"folder": "archive"})
        assert "trash" not in await removed_at(world, first + A_MONTH)
        many = {"message_ids": [message], "set": {"folder": "trash"}}
        assert (await api.patch("/v1/messages/", json=many)).status_code == 200
    again = world.clock()
    assert "trash" not in await removed_at(world, again + A_MONTH - 1)
    assert (await removed_at(world, again + A_MONTH))["trash"] == 1


async def delete(world: World, who: str) -> int:
    now = world.clock()
    key = {"tenant_id": world.tenant_id, "inbox_id": world.raw[who]}
    await world.database.write(lambda tx: delete_inbox(tx, **key, now=now))
    return now


async def test_the_trash_of_a_deleted_inbox_waits_for_the_inbox(world: World) -> None:
    message = await deliver(world, SALES.lower())
    await put_in_trash(world, SALES, message)
    world.clock.advance(29 * DAY)
    deleted = await delete(world, SALES)
    assert not {"trash", "inboxes"} & {*await removed_at(world, deleted + A_MONTH - 1)}
    assert (await removed_at(world, deleted + A_MONTH))["inboxes"] == 1
    assert await rows(world, "SELECT 1 FROM messages") == []


async def test_an_inbox_with_much_in_it_goes_in_small_transactions(world: World) -> None:
    for _ in range(3):
        await deliver(world, AGENT)
    key = {"tenant_id": world.tenant_id, "inbox_id": world.raw[AGENT]}
    many = [
        {**key, "canonical": f"a{number}@x.test", "name": "", "now": 1}
        for number in range(2 * AT_ONCE + 3)
    ]
    sql = """
        INSERT INTO relationships (tenant_id, canonical, inbox_id, address, name, first_seen,
            last_seen, message_count, score)
        VALUES (:tenant_id, :canonical, :inbox_id, :canonical, :name, :now, :now, 1, 1.0)
    """
    await world.database.write(lambda tx: tx.execute_many(sql, many))
    deleted = await delete(world, AGENT)
    assert (await removed_at(world, deleted + A_MONTH))["inboxes"] == 1
    assert await rows(world, "SELECT 1 FROM relationships") == []
    assert len(await rows(world, "SELECT 1 FROM inboxes")) == 3


async def test_more_than_a_transaction_takes_goes_in_one_round(world: World) -> None:
    made = START + 3000 * DAY
    await one_round(world.database, world.content, now=made)
    for kind in ("events", "audit_log"):
        made_rows = [made_at(kind, made, world) for _ in range(AT_ONCE + 1)]
        await insert_many(world, made_rows[0][0], [columns for _, columns in made_rows])
    done = await removed_at(world, made + 400 * DAY)
    assert done == {"events": AT_ONCE + 1, "audit_log": AT_ONCE + 1}


def old(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return path


async def test_files_that_nobody_names_go_when_they_are_old(world: World) -> None:
    files = world.content.files
    await deliver(world, SALES.lower(), file="1/named")
    named, orphan, spool = (
        old(files / "1/named"),
        old(files / "1/orphan"),
        old(world.content.spool / "abandoned"),
    )
    (files / "1/fresh").write_bytes(b"x")
    done = await removed_at(world, world.clock())
    assert done == {"content_files": 1, "spools": 1}
    assert (named.exists(), orphan.exists(), spool.exists()) == (True, False, False)
    assert (files / "1/fresh").exists()


async def test_only_one_process_is_at_it_until_it_ends_or_is_gone(world: World) -> None:
    mine, theirs, now = b"a" * 16, b"b" * 16, world.clock()

    async def take(owner: bytes, at: int) -> None:
        await world.database.write(lambda tx: acquire_lease(tx, owner=owner, now=at))

    await take(mine, now)
    with pytest.raises(LeaseLost):
        await take(theirs, now + HELD - 1)
    with pytest.raises(LeaseLost):
        await one_round(world.database, world.content, now=now + MINUTE)
    await world.database.write(lambda tx: renew_lease(tx, owner=mine, now=now + MINUTE))
    with pytest.raises(LeaseLost):
        await take(theirs, now + HELD)
    await take(theirs, now + MINUTE + HELD)  # the first one was killed
    with pytest.raises(LeaseLost):
        await world.database.write(lambda tx: renew_lease(tx, owner=mine, now=now))
    await world.database.write(lambda tx: release_lease(tx, owner=mine, now=now, finished=True))
    assert await world.database.read(last_finished) is None
    await take(theirs, now - HOUR)  # the clock was set back
    await world.database.write(lambda tx: release_lease(tx, owner=theirs, now=now, finished=True))
    assert await world.database.read(last_finished) == now
    await take(mine, now)


async def test_a_turn_of_a_clock_that_was_set_back_does_not_last(world: World) -> None:
    now = world.clock()
    await world.database.write(lambda tx: acquire_lease(tx, owner=b"a" * 16, now=now + 9 * DAY))
    await one_round(world.database, world.content, now=now)


async def test_who_loses_the_turn_removes_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = START + 3000 * DAY
    table, columns = made_at("events", now, world)
    await insert(world, table, **columns)
    others = {"owner": b"z" * 16}

    async def lost(tx: Tx, *, owner: bytes, now: int) -> None:
        await tx.execute("UPDATE retention_worker SET owner = :owner", others)
        await job_lease.renew_lease(tx, owner=owner, now=now)

    monkeypatch.setattr(retention, "renew_lease", lost)
    before = await rows(world, "SELECT 1 FROM events")
    with pytest.raises(LeaseLost):
        await one_round(world.database, world.content, now=now + 400 * DAY)
    assert await rows(world, "SELECT 1 FROM events") == before


async def test_a_kind_that_fails_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(tx: Tx, found: object, moment: Moment) -> Removed:
        raise RuntimeError("a bad row")

    now = START + 3000 * DAY
    for name in ("receipts", "audit_log"):
        table, columns = made_at(name, now, world)
        await insert(world, table, **columns)
    broken = Kind("receipts", 0, "SELECT digest FROM receipts WHERE received_at <= :since", fail)
    monkeypatch.setattr(retention, "KINDS", (broken, *KINDS[1:]))
    tally = Tally()
    with pytest.raises(Incomplete, match="a bad row"):
        await one_round(world.database, world.content, now=now + 400 * DAY, tally=tally)
    assert tally.removed["audit_log"] == 1
    assert await world.database.read(last_finished) is None


async def test_a_message_that_is_put_back_meanwhile_stays(world: World) -> None:
    message = await deliver(world, SALES.lower())
    trashed = await put_in_trash(world, SALES, message)
    (kind,) = (kind for kind in KINDS if kind.name == "trash")
    now = trashed + A_MONTH
    found = await world.database.read(lambda tx: kinds.find_due(tx, kind, now=now))
    assert len(found) == 1
    async with world.client(SALES) as api:
        await api.patch(f"/v1/messages/{message}/", json={"folder": "inbox"})
    taken = await world.database.write(lambda tx: kind.some(tx, found, kind.at(now)))
    assert taken.count == 0
    assert [
        bytes(row["message_id"]) for row in await rows(world, "SELECT message_id FROM copies")
    ] == [from_text("msg", message)]
