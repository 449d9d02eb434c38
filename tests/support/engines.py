"""Both engines, for every test that needs a store: it runs once on each, and does not know which.

Rules: a test gets a store of its own. PostgreSQL is a private server, one for a test process, or
the one that POSTROOM_TEST_POSTGRES names, whose user is a superuser there; without either the test
is skipped, in CI it fails. The stores belong to a plain role: the wall between tenants binds it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import psycopg
import pytest

from storage.clock import Clock, system_clock
from storage.database import Store
from storage.engines.opening import EMBEDDED, open_database
from storage.engines.sqlite import FILE_NAME
from storage.migrations import migrate
from tests.support.kept_backends import KeptBackends, keeping
from tests.support.postgres_server import PostgresServer

ENGINES = ("sqlite", "postgresql")
NAMED_SERVER = os.environ.get("POSTROOM_TEST_POSTGRES")


Rows = dict[str, bytes]
"""The rows of each table, as COPY gives them."""
Held = bytes | Rows
"""What a store holds: the file of an SQLite store, the rows of a PostgreSQL store."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where one test's store is; it may be opened several times at once.

    `store` and `data` are what the settings of these names say. A database is made ready by the
    first who asks for it.
    """

    name: str
    place: str
    data: Path
    databases: Databases | None = None

    @property
    def store(self) -> str:
        if self.databases is not None:
            self.databases.make_ready(self.place)
        return self.place

    @property
    def is_new(self) -> bool:
        """Tell whether nobody has opened the store, so that it can be filled."""
        if self.databases is not None:
            return self.databases.is_new(self.place)
        return self.place == EMBEDDED and not (self.data / FILE_NAME).exists()

    def fill(self, held: Held) -> None:
        """Make a new store one that holds this."""
        if self.databases is not None:
            assert isinstance(held, dict)
            self.databases.fill(self.place, held)
        else:
            assert isinstance(held, bytes)
            _write_store(self.data, held)

    def held(self) -> Held:
        """Return what the store, which is open, holds now."""
        if self.databases is not None:
            return self.databases.rows(self.store)
        with closing(sqlite3.connect(self.data / FILE_NAME)) as store:
            return store.serialize()

    async def open(self, clock: Clock = system_clock, *, is_current: bool = False) -> Store:
        """Return the store, open and of this release; the caller closes it.

        One that is new, or said to be current, has been migrated already.
        """
        is_current = is_current or self.is_new
        if self.store == EMBEDDED and self.is_new:
            await _copy_template(self.data)
        if self.databases is not None:
            self.databases.opened(self.place)
        database = await open_database(self.store, self.data, clock)
        if is_current:
            return database
        try:
            await migrate(database, now=clock())
        except BaseException:
            await database.close()
            raise
        return database


async def _copy_template(data: Path) -> None:
    """Put an SQLite store of this release there, made once a process: its steps take 0.1 s."""
    global _template  # noqa: PLW0603  # a process has one; it dies with it
    if _template is None:
        with TemporaryDirectory() as folder:
            database = await open_database(EMBEDDED, Path(folder), system_clock)
            await migrate(database, now=system_clock())
            await database.close()
            _template = Path(folder, FILE_NAME).read_bytes()
    _write_store(data, _template)


def _write_store(data: Path, octets: bytes) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / FILE_NAME
    path.touch(mode=0o600)
    path.write_bytes(octets)


_template: bytes | None = None


class Engines(Protocol):
    """Makes a store: a new one, or a copy of one that nobody has open."""

    def __call__(
        self, data: Path, like: Engine | None = None
    ) -> AbstractContextManager[Engine]: ...


class Databases:
    """Databases on a PostgreSQL server, each as one that has just been migrated.

    A database that was given back is emptied and given out again, since making and dropping one
    takes longer than most tests. One whose tables or settings are not as they were is dropped. The
    backends of one that is to be given back stay meanwhile.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.backends = KeptBackends()
        self._admin = psycopg.connect(url, autocommit=True)
        self._numbers = itertools.count()
        newer = self._admin.info.server_version >= 150_000
        self._strategy = "STRATEGY file_copy" if newer else ""
        self._octets = "LOCALE_PROVIDER libc" if newer else ""
        self.owner = f"postroom_test_{os.getpid()}"
        word = f"PASSWORD '{self._admin.info.password}'" if self._admin.info.password else ""
        self._admin.execute(f"CREATE ROLE {self.owner} LOGIN {word}".encode())
        self._template = self._named()
        self._admin.execute(f"CREATE DATABASE {self._template} OWNER {self.owner}".encode())
        with ThreadPoolExecutor(1) as thread:  # the test's own loop may be set, and stays so
            thread.submit(asyncio.run, self._migrate()).result()
        self._spare: list[str] = []
        self._new: set[str] = set()
        self._unready: dict[str, Rows] = {}
        self._dumps: dict[str, Rows] = {}
        self._operators: dict[str, psycopg.Connection] = {}
        with self.administer(self._at(self._template)) as template:
            self._shape = _shape_of(template)
            self._rows: Rows = {one: _copied_out(template, one) for one in _filled(template)}

    async def _migrate(self) -> None:
        await (await Engine("", self._at(self._template), Path()).open()).close()

    def make(self) -> str:
        """Return the URL of an empty database of this release, which is to be dropped."""
        return self._created()

    def lend(self, like: str = "") -> str:
        """Return the URL of an empty database of this release, or of a copy of the one at a URL.

        It is to be given back.
        """
        url = self.lend_unready(like)
        self.make_ready(url)
        return url

    def lend_unready(self, like: str = "") -> str:
        """Lend one that is not emptied, or a copy, before `make_ready`, unless it is filled."""
        if like and like not in self._dumps:
            self._dumps[like] = self.rows(like)
        is_spare = bool(self._spare)
        url = self._spare.pop() if is_spare else self._created()
        if is_spare or like:
            self._unready[url] = self._dumps[like] if like else self._rows
        self.backends.keep(_name_in(url))
        self._new.add(url)
        return url

    def make_ready(self, url: str) -> None:
        """Have the database that was lent hold what it is to hold, if it does not yet."""
        if url in self._unready:
            self.fill(url, self._unready[url])

    def is_new(self, url: str) -> bool:
        """Tell whether a database that was lent has not been opened yet."""
        return url in self._new

    def opened(self, url: str) -> None:
        """Note that somebody opens the database."""
        self._new.discard(url)

    def fill(self, url: str, rows: Rows) -> None:
        """Have a database hold these rows."""
        self._unready.pop(url, None)
        _fill(self._operator(url), rows)

    def rows(self, url: str) -> Rows:
        """Return the rows of a database."""
        operator = self._operator(url)
        return {one: _copied_out(operator, one) for one in _filled(operator)}

    def _operator(self, url: str) -> psycopg.Connection:
        """Return a connection that stays: to make one takes longer than what it is for."""
        if url not in self._operators:
            self._operators[url] = self.administer(url)
        return self._operators[url]

    def administer(self, url: str) -> psycopg.Connection:
        """Connect to a database as a superuser, whom no wall between tenants binds."""
        return psycopg.connect(self._of_admin(_name_in(url)), autocommit=True)

    def _created(self) -> str:
        name = self._named()
        self._admin.execute(
            f"CREATE DATABASE {name} OWNER {self.owner} TEMPLATE {self._template}"
            f" {self._strategy}".encode()
        )
        return self._at(name)

    def make_empty(self) -> str:
        """Return the URL of a new database in which nobody has made a table yet."""
        url = self.make()
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute("DROP SCHEMA public CASCADE")
            operator.execute("CREATE SCHEMA public")
        return url

    def make_ascii(self) -> str:
        """Return the URL of a new database whose encoding is not UTF-8."""
        name = self._named()
        self._admin.execute(
            f"CREATE DATABASE {name} OWNER {self.owner} TEMPLATE template0 ENCODING 'SQL_ASCII'"
            f" LC_COLLATE 'C' LC_CTYPE 'C' {self._octets}".encode()
        )
        return self._at(name)

    def drop(self, url: str) -> None:
        self.backends.forget(_name_in(url))
        if url in self._operators:
            self._operators.pop(url).close()
        self._admin.execute(f"DROP DATABASE {_name_in(url)} WITH (FORCE)".encode())

    def give_back(self, url: str) -> None:
        """Have the database for the next test, or drop it."""
        self._dumps.pop(url, None)
        self._unready.pop(url, None)
        if self._is_as_it_was(url):
            self._spare.append(url)
        else:
            self.drop(url)

    def _is_as_it_was(self, url: str) -> bool:
        try:
            operator = self._operator(url)
            stay = [operator.info.backend_pid, *self.backends.pids(_name_in(url))]
            # A backend that is told to end takes a moment.
            while self._admin.execute(_END_OTHERS, [_name_in(url), stay]).fetchall():
                time.sleep(0.002)
            return _shape_of(operator) == self._shape
        except psycopg.Error:  # nobody may connect, say
            return False

    def close(self) -> None:
        for url in (*self._spare, self._at(self._template)):
            self.drop(url)
        self._admin.execute(f"DROP ROLE {self.owner}".encode())
        self._admin.close()

    def _named(self) -> str:
        return f"postroom_test_{os.getpid()}_{next(self._numbers)}"

    def _at(self, name: str) -> str:
        """Return the URL of a database, as its owner."""
        url = self._of_admin(name)
        if "user=" in url:
            return re.sub(r"(?<=[?&])user=[^&]*", f"user={self.owner}", url)
        return re.sub(r"(?<=://)[^:@/]*(?=[:@])", self.owner, url, count=1)

    def _of_admin(self, name: str) -> str:
        """Return the server's URL with another database in it."""
        return re.sub(r"^(\w+://[^/?]*)(?:/[^?]*)?", rf"\1/{name}", self.url)


_END_OTHERS = b"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> ALL(%s)
"""


def _shape_of(connection: psycopg.Connection) -> object:
    """Return what tells whether a database has the tables, indexes and settings of another.

    A change of a column writes its row in another place; a copy has each row in the same.
    """
    return connection.execute(_SHAPE).fetchone()


_SHAPE = """
    SELECT (SELECT concat_ws(' ', count(*), sum(hashtext(relname::text)))
            FROM pg_class WHERE oid >= 16384),
           (SELECT concat_ws(' ', count(*), sum(hashtid(ctid)))
            FROM pg_attribute WHERE attrelid >= 16384),
           (SELECT count(*) FROM pg_trigger),
           (SELECT count(*) FROM pg_policy),
           (SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity),
           (SELECT count(*) FROM pg_proc),
           (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database()),
           (SELECT datallowconn AND datconnlimit = -1 FROM pg_database
            WHERE datname = current_database()),
           current_setting('default_transaction_read_only')
"""


def _filled(connection: psycopg.Connection) -> list[str]:
    """Return the tables that have, or had, rows."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > 0"
        " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
    )
    return [name for (name,) in found]


def _fill(connection: psycopg.Connection, rows: Rows) -> None:
    """Put these rows into their tables, and none into the others."""
    # Not TRUNCATE, which makes new files; rows go and come in any order.
    emptied = [f"DELETE FROM {table}" for table in _filled(connection)]
    statements = ["SET session_replication_role = replica", *emptied]
    connection.execute("; ".join(statements).encode())
    for table, copied in rows.items():
        with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write(copied)


def _copied_out(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
        return b"".join(bytes(piece) for piece in copy)


def _name_in(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Give a maker of databases on the PostgreSQL server of this test process."""
    if NAMED_SERVER:
        yield from _databases_at(NAMED_SERVER)
        return
    server = PostgresServer()
    try:
        server.start()
        yield from _databases_at(server.url())
    finally:
        server.remove()


def _databases_at(url: str) -> Iterator[Databases]:
    made = Databases(url)
    with keeping(made.backends):
        yield made
    made.close()


@pytest.fixture(scope="session", params=ENGINES)
def engines(request: pytest.FixtureRequest) -> Engines:
    """Give a maker of stores, `with engines(directory) as engine`, for each engine."""
    if request.param == "sqlite":
        return _on_sqlite
    databases: Databases = request.getfixturevalue("databases")
    return partial(_on_postgres, databases)


@pytest.fixture(scope="session")
def both_engines(databases: Databases) -> dict[str, Engines]:
    """Give makers of stores on each engine, for a test that needs two."""
    return {"sqlite": _on_sqlite, "postgresql": partial(_on_postgres, databases)}


@contextmanager
def _on_sqlite(data: Path, like: Engine | None = None) -> Iterator[Engine]:
    if like is not None:
        shutil.copyfile(like.data / FILE_NAME, data / FILE_NAME)
    yield Engine("sqlite", EMBEDDED, data)


@contextmanager
def _on_postgres(databases: Databases, data: Path, like: Engine | None = None) -> Iterator[Engine]:
    url = databases.lend_unready(like.place if like else "")
    yield Engine("postgresql", url, data, databases)
    databases.give_back(url)


@pytest.fixture
def engine(engines: Engines, tmp_path: Path) -> Iterator[Engine]:
    """Give a store that nobody has opened yet, on one engine and then on the other."""
    with engines(tmp_path) as made:
        yield made


@pytest.fixture
async def database(engine: Engine) -> AsyncIterator[Store]:
    """Give an open store without anything in it, on one engine and then on the other."""
    opened = await engine.open()
    yield opened
    await opened.close()
