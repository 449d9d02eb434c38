"""What only PostgreSQL can do to us: refuse, restart, hang, fill up, lose a COMMIT."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from storage.accounts import tenants
from storage.accounts.tenants import Tenant
from storage.clock import system_clock
from storage.database import Database, Store, Tx
from storage.engines import postgres, postgres_connections, postgres_locks
from storage.engines.fair_turns import WRITE_WAIT
from storage.engines.opening import open_database
from storage.engines.postgres import open_postgres
from storage.engines.postgres_connections import Connection
from storage.engines.servers import notify
from storage.engines.servers.hosts import options_of
from storage.engines.servers.statements import numbered
from storage.errors import OutcomeUnknown, StoreDamaged, StoreFull, StoreUnavailable
from tests.support.cases import cases
from tests.support.engines import Databases, Engine
from tests.support.postgres_server import PostgresServer

HERE = Path()
ONE = {"one": 1}


async def make_tenant(tx: Tx, kind: str = "Example") -> Tenant:
    return await tenants.create_tenant(tx, name=f"{kind} {uuid4().hex}", now=1)


async def names(tx: Tx) -> list[str]:
    return [tenant.name.partition(" ")[0] for tenant in await tenants.list_tenants(tx)]


def with_parameter(url: str, parameter: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameter}"


async def refusal(url: str) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await open_database(url, HERE, system_clock)
    return str(caught.value)


async def test_a_look_up_takes_two_messages_of_which_nobody_waits_for_the_second(
    opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    control, held = postgres_connections.control, asyncio.Event()

    async def slow(connection: Connection, text: str) -> object:
        told.append(text)
        await held.wait()
        return await control(connection, text)

    async def work(tx: Tx) -> tuple[object, object]:
        first = await tx.fetch_one(
            "SELECT pg_current_snapshot()::text AS seen, :one + 1 AS two", ONE
        )
        again = await tx.fetch_one("SELECT pg_current_snapshot()::text AS seen")
        assert first is not None and again is not None
        mode = await tx.fetch_one("SELECT current_setting('transaction_read_only') AS mode")
        assert (first["two"], mode and mode["mode"]) == (2, "on")
        return first["seen"], again["seen"]

    await opened.read_quick(work)
    monkeypatch.setattr(postgres_locks, "control", slow)
    async with asyncio.timeout(20):
        first, again = await opened.read_quick(work)
    assert first == again  # one snapshot
    assert told == ["COMMIT"]  # the driver forgets its prepared statements at a ROLLBACK
    held.set()


async def test_commits_of_another_process_are_heard_and_a_lost_connection_loses_none(
    url: str, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "_AGAIN_SECONDS", 0.01)
    other = await open_postgres(url, system_clock)
    told: list[int] = []

    async def heard(count: int) -> None:
        async with asyncio.timeout(20):
            while len(told) < count:  # noqa: ASYNC110  # it is the hint that is waited for
                await asyncio.sleep(0.01)

    try:
        opened.hear_others(lambda: told.append(1))
        await heard(1)  # what was there before it listened
        await opened.write(make_tenant)  # its own are told in the order of commits, if they were
        await other.write(make_tenant)
        await heard(2)
        await other.write(names)  # nothing was given an id
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            )
        await heard(3)
        await other.write(make_tenant)
        await heard(4)
    finally:
        await other.close()
    assert len(told) == 4


@pytest.mark.parametrize(
    ("sql", "text", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT ':a', :b::text", "SELECT ':a', $1::text", ("b",)),
        ("SELECT 'it''s :a' || :b_2", "SELECT 'it''s :a' || $1", ("b_2",)),
        ('SELECT ":a" -- :b\n, :c', 'SELECT ":a" -- :b\n, $1', ("c",)),
        ("x LIKE '%:a%' AND y % :b = 0", "x LIKE '%:a%' AND y % $1 = 0", ("b",)),
        ("SELECT 1", "SELECT 1", ()),
    ],
)
def test_names_become_numbers_outside_of_quotes(
    sql: str, text: str, names: tuple[str, ...]
) -> None:
    assert numbered(sql) == (text.encode(), names)


async def test_what_scans_is_planned_for_its_own_values(opened: Database) -> None:
    """A plan for any words and times takes a hundred times as long for some of them."""

    async def mode(tx: Tx) -> object:
        row = await tx.fetch_one("SELECT current_setting('plan_cache_mode') AS mode")
        assert row is not None
        return row["mode"]

    assert await opened.read(mode) == "force_custom_plan"
    assert await opened.read_quick(mode) == "auto"
    assert await opened.write(mode) == "auto"


async def test_a_server_that_may_lose_a_commit_is_refused(databases: Databases) -> None:
    url = databases.make()
    told = await refusal(with_parameter(url, "options=-csynchronous_commit%3Doff"))
    assert (
        told == "PostgreSQL has synchronous_commit = off, so that mail could be lost with the power"
    )
    databases.drop(url)


async def test_a_setting_of_the_database_or_the_role_counts_as_well(databases: Databases) -> None:
    url = databases.make()
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    assert "synchronous_commit = off" in await refusal(url)
    databases.drop(url)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_server_without_safe_writes_is_refused(
    own_server: PostgresServer, name: str
) -> None:
    own_server.start({name: "off"})

    assert f"PostgreSQL has {name} = off" in await refusal(own_server.url())


async def test_another_encoding_than_utf_8_is_refused(databases: Databases) -> None:
    url = databases.make_ascii()
    told = await refusal(url)
    assert told == "the database has the encoding SQL_ASCII; Postroom needs UTF8"
    databases.drop(url)


async def test_a_schema_that_is_not_there_is_refused(url: str) -> None:
    told = await refusal(with_parameter(url, "options=-csearch_path%3Dmissing"))
    assert told == (
        "the database has no schema of the name that search_path gives, or the role may not use it"
    )


async def test_a_server_that_is_too_old_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "OLDEST_SERVER", 99)

    assert "is too old; Postroom needs 99 or newer" in await refusal(url)


async def test_what_cannot_be_reached_is_unavailable_and_tells_no_password(tmp_path: Path) -> None:
    nobody = f"postgresql://ann:hush@/mail?host={tmp_path}"
    assert "No such file or directory" in await refusal(nobody)
    assert "hush" not in await refusal(nobody)
    malformed = "postgresql://ann:hush@db/mail?colour=red"
    assert await refusal(malformed) == (
        "the URL of the store is not one that PostgreSQL takes, which does not know its parameter"
        " colour"
    )
    assert await refusal("postgresql://ann:hu%zzsh@db/mail") == (
        "the URL of the store is not one that PostgreSQL takes"
    )


async def test_two_schemas_of_one_database_are_two_stores(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("CREATE SCHEMA second")
    one = Engine("", url, HERE)
    two = replace(one, place=with_parameter(url, "options=-csearch_path%3Dsecond,public"))
    first, second = await one.open(), await two.open()
    inside, done = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await make_tenant(tx, "first")
        inside.set()
        await done.wait()

    holding = asyncio.create_task(first.write(hold))
    await inside.wait()
    await second.write(lambda tx: make_tenant(tx, "second"))  # waits for nobody
    done.set()
    await holding

    assert (await first.read(names), await second.read(names)) == (["first"], ["second"])
    await first.close()
    await second.close()


async def test_a_lock_that_is_held_too_long_is_unavailable(
    url: str, opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await open_postgres(url, system_clock)
    await other.write(names)  # it has its connection: none has to be made in the little time
    inside, done = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        inside.set()
        await done.wait()

    holding = asyncio.create_task(opened.write(hold))
    await inside.wait()
    with monkeypatch.context() as impatient:
        impatient.setattr(postgres, "WRITE_WAIT", 0.3)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await other.write(make_tenant)
    assert await other.read(names) == []  # who only reads waits for nobody
    done.set()
    await holding
    await other.write(make_tenant)
    await other.close()


async def test_work_that_hides_an_error_of_its_statement_stores_nothing(opened: Database) -> None:
    """On SQLite the rest would be kept; a COMMIT here keeps nothing, and answers politely."""

    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        with contextlib.suppress(psycopg.Error):
            await tx.execute("SELECT * FROM nowhere")

    with pytest.raises(RuntimeError, match="hid an error"):
        await opened.write(work)

    assert await opened.read(names) == []


async def test_a_transaction_of_mail_or_of_a_call_that_takes_too_long_is_given_up(
    opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_WITHIN", 0.2)
    caller = opened.for_caller((b"tenant", b"token"))

    async def slow(tx: Tx) -> object:
        return await tx.fetch_one("SELECT pg_sleep(60)")

    for use in (caller.read, caller.write, opened.read_quick, opened.commit, opened.write_beside):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await use(slow)
        assert time.monotonic() - began < WRITE_WAIT / 2, "it was a lock that was waited for"

    monkeypatch.undo()
    # The server has seen that we hung up: else the last one would have its lock for a minute.
    await caller.write(make_tenant)
    assert await opened.read(names) == ["Example"]


async def test_of_several_hosts_one_that_takes_writes_is_asked_for() -> None:
    wanted = {"connect_timeout": 2, "target_session_attrs": "read-write"}
    with cases() as case:
        for url, expected in {
            "postgresql://db/mail": {"connect_timeout": 3},
            "postgresql://one,two:5433/mail": wanted,
            "postgresql:///mail?host=/run/one,/run/two": wanted,
            "postgresql://one,two/mail?target_session_attrs=primary": wanted
            | {"target_session_attrs": "primary"},
            "postgresql://db/mail?colour=red": {},
        }.items():
            with case(url):
                assert options_of(url) == expected


async def test_a_fault_of_ours_stays_what_it_is(opened: Database) -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        await opened.read(lambda tx: tx.fetch_all("SELECT FROM WHERE"))
    with pytest.raises(psycopg.DataError, match="NUL"):
        await opened.write(lambda tx: make_tenant(tx, "a\x00b"))
    assert await opened.read(names) == []


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", StoreFull),
        ("53200", StoreUnavailable),
        ("53300", StoreUnavailable),
        ("57P01", StoreUnavailable),
        ("57014", StoreUnavailable),
        ("40001", StoreUnavailable),
        ("08006", StoreUnavailable),
        ("55P03", StoreUnavailable),
        ("42501", StoreUnavailable),
        ("58030", StoreUnavailable),
        ("25006", StoreUnavailable),
        ("XX001", StoreDamaged),
        ("23505", psycopg.errors.UniqueViolation),
        ("42P01", psycopg.errors.UndefinedTable),
        ("22P02", psycopg.DataError),
        ("XX000", psycopg.InternalError),
    ],
)
async def test_the_servers_errors_are_told_apart(
    opened: Database, state: str, kind: type[Exception]
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"

    with pytest.raises(kind) as caught:
        await opened.write(lambda tx: tx.execute(raising))

    assert type(caught.value) is kind or kind in (psycopg.DataError, psycopg.InternalError)
    await opened.write(make_tenant)


async def test_a_connection_that_the_server_ends_is_replaced_unnoticed(
    url: str, opened: Database
) -> None:
    await asyncio.gather(*(opened.read(names) for _ in range(10)))
    with psycopg.connect(url, autocommit=True) as operator:
        # A backend that is told to end takes a moment.
        while operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall():
            time.sleep(0.01)  # noqa: ASYNC251
    await asyncio.sleep(0.2)

    await opened.write(make_tenant)

    found = await asyncio.gather(*(opened.read(names) for _ in range(10)))
    assert found == [["Example"]] * 10


async def test_a_connection_lost_in_the_middle_is_unavailable_and_stores_nothing(
    opened: Database,
) -> None:
    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await make_tenant(tx)

    with pytest.raises(StoreUnavailable):
        await opened.write(work)

    assert await opened.read(names) == []
    await opened.write(make_tenant)


class Meddler:
    """Stands between us and the server; swallows the answer to the next COMMIT when told to."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._talking: set[asyncio.Task[None]] = set()
        self.swallow = False

    def __call__(self, ours: asyncio.StreamReader, us: asyncio.StreamWriter) -> None:
        self._talking.add(asyncio.create_task(self._talk(ours, us)))

    async def ended(self) -> None:
        """Wait until it has nobody to stand between."""
        await asyncio.gather(*self._talking)

    async def _talk(self, ours: asyncio.StreamReader, us: asyncio.StreamWriter) -> None:
        theirs, them = await asyncio.open_unix_connection(self._socket)
        answers = asyncio.create_task(pass_on(theirs, us))
        while octets := await ours.read(65536):
            if self.swallow and b"NOTIFY" in octets:  # right behind a write
                answers.cancel()
                await asyncio.wait([answers])
                them.write(octets)
                behind = asyncio.create_task(pass_on(ours, them))  # it answers to all together
                await theirs.read(1)  # the server has answered, so it has committed
                behind.cancel()
                await asyncio.wait([behind])
                self.swallow = False
                break
            them.write(octets)
        for writer in (them, us):
            writer.close()
        await asyncio.wait([answers])
        await asyncio.gather(them.wait_closed(), us.wait_closed(), return_exceptions=True)


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while octets := await source.read(65536):
        target.write(octets)
    target.close()


async def test_a_commit_whose_answer_is_lost_may_have_happened(
    own_server: PostgresServer, tmp_path: Path
) -> None:
    own_server.start()
    meddler = Meddler(own_server.folder / ".s.PGSQL.5432")
    between = await asyncio.start_unix_server(meddler, tmp_path / ".s.PGSQL.5432")
    url = own_server.url().replace(str(own_server.folder), str(tmp_path))
    database = await Engine("", url, HERE).open()
    meddler.swallow = True

    with pytest.raises(OutcomeUnknown):
        await database.write(make_tenant)

    assert await database.read(names) == ["Example"]
    await database.close()
    between.close()
    await between.wait_closed()
    await meddler.ended()


async def test_who_listens_does_not_wake_up_until_there_is_something_to_hear(
    opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens, loop = asyncio.Event(), asyncio.get_running_loop()
    opened.hear_others(listens.set)
    await asyncio.wait_for(listens.wait(), 20)
    add_reader, waits = loop.add_reader, list[object]()

    def counted(descriptor: int, callback: Callable[..., None], *args: object) -> None:
        waits.append(descriptor)
        add_reader(descriptor, callback, *args)

    monkeypatch.setattr(loop, "add_reader", counted)
    await asyncio.sleep(0.7)

    assert len(waits) <= 3
