"""A whole store is copied to either engine: every row, every byte, however often it is stopped."""

import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from obstore.store import MemoryStore

from gateway.jobs.relationships import count_batch
from storage.accounts.tenants import create_tenant
from storage.clock import system_clock
from storage.content.message_bytes import Content, ContentDirectory
from storage.content.places import open_contents
from storage.database import BesideWrites, Reads, Store, T, Tx, Work
from storage.drafts.uploads import add_upload
from storage.engines.opening import EMBEDDED, open_database
from storage.engines.snapshots.tables import RowSource, RowTarget, Table, Values
from storage.engines.snapshots.whole_store import open_source, open_target
from storage.engines.sqlite import FILE_NAME
from storage.errors import Conflict, StoreUnavailable
from storage.ids import from_text
from storage.index.query import parse_query
from storage.mailbox.search import SearchFilter, search_messages
from storage.maintenance.verification import verify
from storage.migrations import migrate
from storage.relocation import relocate
from storage.relocation.place import Place
from storage.relocation.relocate import CopyReport, copy_store
from storage.relocation.rows import count_rows, tables_to_copy
from storage.relocation.seal import release
from tests.admin_api.test_routes import ids
from tests.builders import (
    FOREIGN_INBOX,
    SALES,
    TEAM,
    TENANT_OWNER,
    World,
    count_all,
    deliver,
    open_world,
    receive,
    receive_all,
)
from tests.support.cases import cases
from tests.support.engines import ENGINES, Engine, Engines
from tests.support.fixtures import Servers
from tests.support.post_room import parse_waiting

LARGE = b"Subject: large\r\n\r\n" + bytes(range(256)) * 4096
OBJECTS = "s3://mail.example/large?region=eu-1"
TEXT = (
    b"From: Ada <ada@sender.test>\r\nTo: team@example.test\r\nSubject: A plan of plans\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    + "The quick brown fox, the pl\u00e1n and \u6771\u4eac\u90fd. ".encode()
    * 90
)
QUERIES = ("fox", '"brown fox the"', "subject:plan", "pl\u00e1n", "\u4eac", "from:ada", "nobody")
Progress = Callable[[str, int, int], None]


def nothing(what: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Two:
    """An old store, and an empty place; the bucket is that of both."""

    old: Engine
    new: Engine
    bucket: MemoryStore

    def contents(
        self, engine: Engine, keep_in: str, reader: Reads, store: BesideWrites | None = None
    ) -> ContentDirectory:
        return open_contents(
            engine.data,
            keep_in=keep_in,
            reader=reader,
            store=store,
            opener=lambda bucket, keys: self.bucket,
        )

    async def copy(self, keep_in: str = "files", progress: Progress = nothing) -> CopyReport:
        return await copy_store(
            place(self.old),
            place(self.new),
            clock=system_clock,
            old_contents=lambda rows: self.contents(self.old, "files", rows),
            new_contents=lambda rows: self.contents(self.new, keep_in, rows, rows),
            progress=progress,
        )


def place(engine: Engine) -> Place:
    return Place(engine.store, engine.data)


WAYS = [f"{old}-to-{new}" for old in ENGINES for new in ENGINES]
NEW_PLACES = ("files", "database", "files", OBJECTS)
BY_TURNS = (WAYS[1], pytest.param(WAYS[2], marks=pytest.mark.soak))
THE_OTHER_WAY = (WAYS[2], pytest.param(WAYS[1], marks=pytest.mark.soak))
ACROSS = pytest.mark.parametrize("two", WAYS[1:3], indirect=True)


@pytest.fixture(params=WAYS)
def two(
    request: pytest.FixtureRequest, both_engines: dict[str, Engines], tmp_path: Path
) -> Iterator[Two]:
    """Give two places for a store, for each pair of engines."""
    old, _, new = request.param.partition("-to-")
    with ExitStack() as held:
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
        yield Two(
            held.enter_context(both_engines[old](tmp_path / "old")),
            held.enter_context(both_engines[new](tmp_path / "new")),
            MemoryStore(),
        )


@asynccontextmanager
async def furnished(two: Two) -> AsyncIterator[World]:
    """A store with something of each kind, contents in all places, and rows in every table."""
    async with open_world(two.old) as world:
        await ids(world, own=False)
        for number, keep_in in enumerate(("files", "database", OBJECTS)):
            await put_large(two, world, keep_in, LARGE + b"%d" % number)
        for number in range(12):
            await receive(world, TEAM.lower(), body=TEXT + b"%d" % number)
        await parse_waiting(world.database, world.clock())
        await mark_some(world)
        await fill_empty_tables(two, world)
        yield world


async def put_large(two: Two, world: World, keep_in: str, body: bytes) -> None:
    """A message and an upload whose bytes lie there."""
    contents = two.contents(two.old, keep_in, world.database, world.database)
    contents.prepare()
    kept = [
        await contents.take(
            Content(sha256(body).digest(), len(body), None, None), one_chunk(body), os.urandom(16)
        )
        for _ in range(2)
    ]
    await deliver(world, TEAM.lower(), body=body, file=kept[0].file)
    await world.database.write(
        lambda tx: add_upload(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            filename="offer.pdf",
            content_type="application/pdf",
            content=kept[1],
            now=world.clock(),
        )
    )


async def one_chunk(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def mark_some(world: World) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute("UPDATE copies SET is_read = 1 WHERE folder = 0 AND route = 0")
        await tx.execute("UPDATE store_state SET value = value + 7 WHERE name = 'last_id'")

    await world.database.write(work)


async def fill_empty_tables(two: Two, world: World) -> None:
    """Any values in each table that has no row, so that no column is left out."""
    random = Random(20)
    async with open_source(two.old.store, two.old.data) as source:
        columns = await declared_columns()
        tables = [one for one in await source.all_tables() if one.name in columns]
        empty = [one for one in tables if not await rows_of(source, one)]
    known = {"tenant_id": world.tenant_id, "user_id": world.raw[TENANT_OWNER]}
    for table in empty:
        rows = [
            {
                name: None if number and is_nullable else known.get(name) or a_value(kind, random)
                for name, (kind, is_nullable) in columns[table.name].items()
            }
            for number in range(3)
        ]
        values = ", ".join(f":{name}" for name in columns[table.name])
        insert = f"INSERT INTO {table.name} ({', '.join(columns[table.name])}) VALUES ({values})"
        await world.database.write(partial(insert_all, statement=insert, rows=rows))


async def insert_all(tx: Tx, *, statement: str, rows: list[dict[str, object]]) -> None:
    await tx.execute_many(statement, rows)


Columns = dict[str, dict[str, tuple[str, bool]]]
_columns: Columns = {}  # of this process


async def declared_columns() -> Columns:
    """Kind of each column of each table of both engines, and whether it may be null."""
    if _columns:
        return _columns
    with TemporaryDirectory() as folder:
        database = await open_database(EMBEDDED, Path(folder), system_clock)
        await migrate(database, now=system_clock())
        await database.close()
        with closing(sqlite3.connect(Path(folder, FILE_NAME))) as store:
            for (table,) in store.execute(_COPIED_TABLES).fetchall():
                found = store.execute("SELECT * FROM pragma_table_info(?)", [table]).fetchall()
                _columns[table] = {one[1]: (one[2], not one[3] and not one[5]) for one in found}
    return _columns


_COPIED_TABLES = """
    SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'
      AND name NOT LIKE 'search%' AND name NOT LIKE 'fil%' AND name NOT IN
          ('migrations', 'store_state', 'content_pieces', 'object_checksums', 'unread_blocks',
           'cursors', 'tenant_floors', 'route_leases')
"""


def a_value(kind: str, random: Random) -> object:
    match kind:
        case "INTEGER":
            return random.randrange(-(2**31), 2**31)
        case "BLOB":
            return b"\0" + random.randbytes(15)
        case "TEXT":
            return f"it's \\ a\ttext\n\u6771 {random.random()}"
    return random.random()


async def rows_of(source: RowSource, table: Table) -> list[Values]:
    """All rows of a table, but for where their bytes lie."""
    columns = [name for name in table.columns if (table.name, name) not in _PLACES]
    async with aclosing(source.pages(table, columns, ())) as pages:
        return [row for page in [page async for page in pages] for row in page]


_PLACES = {("contents", "file"), ("uploads", "file")}
# Where there is one writer, they are those of the whole store; else of each tenant.
_BY_ENGINE = {"cursors", "tenant_floors"}


async def require_equal(two: Two) -> None:
    """Every row of the old store is in the new one, and no other."""
    async with (
        open_source(two.old.store, two.old.data) as old,
        open_source(two.new.store, two.new.data) as new,
    ):
        tables = await tables_to_copy(old, new)  # type: ignore[arg-type]  # it is only read
        with cases() as case:
            for table in tables:
                if table.name in _BY_ENGINE:
                    continue
                with case(table.name):
                    wanted = sorted(await rows_of(old, table), key=repr)
                    assert sorted(await rows_of(new, table), key=repr) == wanted


async def found_by_queries(database: Reads, world: World) -> list[list[bytes]]:
    """The messages that each query finds."""
    return [
        await database.read(
            partial(
                search_messages,
                tenant_id=world.tenant_id,
                inbox_id=world.raw[SALES],
                wanted=SearchFilter(query=parse_query(query)),
                before=None,
                limit=50,
                now=0,
            )
        )
        for query in QUERIES
    ]


def have_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sqlite_reader", "postgres_snapshot"):
        monkeypatch.setattr(f"storage.engines.snapshots.{module}.PAGE", 8)
    monkeypatch.setattr("storage.relocation.rows._ENTRIES", 8)


async def test_what_was_copied_is_the_same_store(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    have_small_pages(monkeypatch)
    keep_in = NEW_PLACES[WAYS.index(f"{two.old.name}-to-{two.new.name}")]
    async with furnished(two) as world:
        report = await two.copy(keep_in)
        found_before = await found_by_queries(world.database, world)
    assert report.contents.faults == []
    await require_equal(two)
    for engine, place_of_new in ((two.old, "files"), (two.new, keep_in)):
        found = await verify(
            engine.store,
            engine.data,
            clock=system_clock,
            contents=partial(two.contents, engine, place_of_new),
        )
        assert [one.fault for one in found.findings] == []
    database = await two.new.open()
    try:
        assert await found_by_queries(database, world) == found_before
        await require_changes(database)
    finally:
        await database.close()


@ACROSS
async def test_jobs_go_on_where_they_were_in_each_tenant(two: Two) -> None:
    async with open_world(two.old) as world:
        # The other tenant's mail is counted less far than that of the first.
        await deliver(world, FOREIGN_INBOX, tenant="Other")
        for _ in range(3):
            await deliver(world, SALES.lower())
        await count_all(world)
        late = [await deliver(world, FOREIGN_INBOX, tenant="Other") for _ in range(2)]
        late.append(await deliver(world, SALES.lower()))
        await two.copy()
    database = await two.new.open(world.clock)
    try:
        while await count_batch(database):
            pass
        rows = await database.read(
            lambda tx: tx.fetch_all("SELECT message_count FROM relationships")
        )
        assert sorted(row["message_count"] for row in rows) == [3, 4]
        for raw in (world.raw["Example"], world.raw["Other"]):
            made = await database.write_in(database.partition_of(raw), new_id)
            assert made > max(from_text("msg", one) or b"" for one in late)
    finally:
        await database.close()


async def new_id(tx: Tx) -> bytes:
    await tx.fetch_one("SELECT 1 AS one")
    return tx.new_id()


async def require_changes(database: Store) -> None:
    """The new store takes changes, and gives ids above all there are."""

    async def work(tx: Tx) -> bytes:
        row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'last_id'")
        made = tx.new_id()
        assert row is not None and made[:8] > int(row["value"]).to_bytes(8, "big")
        return made

    await database.write(work)


# In the first tables, in the middle of others, in the full-text index, in what comes behind it.
STOPS = (3, 70, 100, 112)


class Stopped(BaseException):
    """The copy ends here, as if it had been killed."""


def stop_at(call: int) -> Progress:
    """Stop when it is told of progress for this time."""
    told = 0

    def count(what: str, done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told == call:
            raise Stopped

    return count


@pytest.mark.parametrize("two", THE_OTHER_WAY, indirect=True)
async def test_a_copy_that_is_stopped_anywhere_goes_on(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_small_pages(monkeypatch)
    monkeypatch.setattr("storage.relocation.rows._TRANSACTION_SECONDS", 0.0)
    async with furnished(two):
        pass
    with cases() as case:
        for stop in STOPS:
            with case(f"stop {stop}"):
                with pytest.raises(Stopped):
                    await two.copy("database", stop_at(stop))
                with pytest.raises(StoreUnavailable, match="not complete"):
                    await two.new.open()
    await two.copy("database")
    await require_equal(two)
    found = await verify(two.new.store, two.new.data, clock=system_clock)
    assert [one.fault for one in found.findings] == []


@ACROSS
async def test_a_copy_whose_last_answer_was_lost_is_known_as_complete(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with furnished(two):
        pass

    @asynccontextmanager
    async def losing(store: str, data: Path) -> AsyncIterator[RowTarget]:
        async with open_target(store, data) as new:
            write = new.write

            async def lose(work: Work[T]) -> T:
                done = await write(work)
                if getattr(work, "func", None) is relocate._open:
                    raise StoreUnavailable("the connection was lost in COMMIT")
                return done

            monkeypatch.setattr(new, "write", lose)
            yield new

    with monkeypatch.context() as lost:
        lost.setattr(relocate, "open_target", losing)
        with pytest.raises(StoreUnavailable, match="lost in COMMIT"):
            await two.copy()
    await require_equal(two)
    database = await two.new.open()  # somebody begins to use it
    await database.write(lambda tx: create_tenant(tx, name="Later", now=1))
    await database.close()

    told = await two.copy()

    assert told.was_complete
    assert told.rows["tenants"] == 2
    assert told.contents.count > 0
    await release(place(two.old))
    with pytest.raises(Conflict, match="there is a store already"):
        await two.copy()


@pytest.mark.parametrize("two", BY_TURNS, indirect=True)
async def test_a_copy_whose_process_is_killed_goes_on(
    two: Two, servers: Servers, tmp_path: Path
) -> None:
    async with open_world(two.old) as world:
        bodies = [TEXT + b"%d" % number for number in range(100)]
        await receive_all(world, TEAM.lower(), bodies=bodies)
        await parse_waiting(world.database, world.clock())
        await put_large(two, world, "files", LARGE)
    environ = {name: text for name, text in os.environ.items() if not name.startswith("POSTROOM_")}
    environ["POSTROOM_DATA"] = str(tmp_path / "gateway")
    stores = [str(one.data) if one.store == EMBEDDED else one.store for one in (two.old, two.new)]
    words = ["copy", "--from", stores[0], "--to", stores[1]]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        for pause in (0.2, 0.6):  # whatever it is at then
            run = servers.warm.launch([*words, *gateways(two)], environ, out, err)
            with suppress(subprocess.TimeoutExpired):
                run.wait(pause)
            run.kill()
            run.wait()
        run = servers.warm.launch([*words, *gateways(two)], environ, out, err)
        status = run.wait(100)
    told = (tmp_path / "err").read_text()
    assert status == 0, told
    await require_equal(two)
    found = await verify(two.new.store, two.new.data, clock=system_clock)
    assert [one.fault for one in found.findings] == []


def gateways(two: Two) -> list[str]:
    """The options that name the data directories of PostgreSQL stores."""
    pairs = (("--from-data", two.old), ("--to-data", two.new))
    return [word for name, one in pairs if one.store != EMBEDDED for word in (name, str(one.data))]


async def count_copies(tx: Tx) -> int:
    return await count_rows(tx, table="copies")


@ACROSS
async def test_the_old_store_is_read_and_takes_no_changes(two: Two) -> None:
    async with open_world(two.old) as world:
        await deliver(world, TEAM.lower())
        await two.copy()

        async with world.client(SALES) as api:
            (message,) = (await api.get("/v1/messages/")).json()["results"]
            refused = await api.patch(
                f"/v1/messages/{message['message_id']}/", json={"is_read": True}
            )
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            with pytest.raises(StoreUnavailable, match="sealed"):
                await deliver(world, TEAM.lower())
            part = world.database.partition_of(world.tenant_id)
            for write in (world.database.write_beside, partial(world.database.write_in, part)):
                with pytest.raises(StoreUnavailable, match="sealed"):
                    await write(count_copies)

            assert await release(place(two.old))
            changed = await api.patch(
                f"/v1/messages/{message['message_id']}/", json={"is_read": True}
            )
            assert changed.status_code == 200
        await deliver(world, TEAM.lower())
    assert not await release(place(two.old))


@ACROSS
async def test_a_place_that_is_not_free_is_refused(
    two: Two, both_engines: dict[str, Engines], tmp_path: Path
) -> None:
    async with open_world(two.old) as world, open_world(two.new):
        with pytest.raises(Conflict, match="there is a store already"):
            await two.copy()
        await deliver(world, TEAM.lower())  # it was not sealed
    (tmp_path / "other").mkdir()
    with both_engines[two.new.name](tmp_path / "other") as empty:
        other = Two(two.old, empty, two.bucket)
        with pytest.raises(Stopped):
            await other.copy(progress=stop_at(20))
        with pytest.raises(Conflict, match="is not complete"):
            await release(place(empty))
        assert await release(place(two.old))
        with pytest.raises(Conflict, match="before the old store last changed"):
            await other.copy()


@ACROSS
async def test_contents_that_are_damaged_are_named_and_the_rest_is_copied(two: Two) -> None:
    async with open_world(two.old) as world:
        await put_large(two, world, "files", LARGE)
        damaged = sorted((two.old.data / "content").glob("*/*"))
        for path, octets in zip(damaged, (b"short", None), strict=True):
            path.write_bytes(octets) if octets else path.unlink()
    report = await two.copy("database")
    assert len(report.contents.faults) == 2
    await require_equal(two)
