"""What may happen to the PostgreSQL server of a running gateway: each fault, and its cure.

Rules: a fault is made for the length of a `with`, and is over with it; the moment of the cure is
its end. All of it is done to a server of the tests' own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from tests.support.postgres_server import PostgresServer

_SEEN_SECONDS = 20.0
_LOOKS = 10


@contextmanager
def read_only(server: PostgresServer) -> Iterator[None]:
    """Have every new transaction refuse writes, as a service does whose disk is nearly full."""
    server.tell("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        with psycopg.connect(server.url(), autocommit=True) as operator:
            operator.execute("SET default_transaction_read_only = off")
            operator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            operator.execute("SELECT pg_reload_conf()")


@contextmanager
def full(server: PostgresServer) -> Iterator[None]:
    """Have the server say what it says when its disk is full, to each write of a message."""
    server.tell(
        """
        CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100';
        END $$
        """,
        "CREATE TRIGGER no_space BEFORE INSERT ON messages EXECUTE FUNCTION no_space()",
        "CREATE TRIGGER no_space BEFORE INSERT ON tasks EXECUTE FUNCTION no_space()",
    )
    try:
        yield
    finally:
        server.tell("DROP FUNCTION no_space CASCADE")


@contextmanager
def out_of_connections(server: PostgresServer) -> Iterator[None]:
    """Take every connection that the server has, those of the gateway too."""
    with ExitStack() as taken:
        operator = taken.enter_context(psycopg.connect(server.url(), autocommit=True))
        mine = [operator.info.backend_pid]
        deadline, alone = time.monotonic() + _SEEN_SECONDS, 0
        while alone < _LOOKS:  # a backend that was told to end has its place for a moment more
            assert time.monotonic() < deadline, "the gateway's connections do not go"
            _take_the_rest(taken, server, mine)
            others = operator.execute(_END_OTHERS, [mine]).fetchall()
            alone = 0 if others else alone + 1
            time.sleep(0.01)
        yield


def _take_the_rest(taken: ExitStack, server: PostgresServer, mine: list[int]) -> None:
    while True:
        try:
            one = taken.enter_context(psycopg.connect(server.url(), autocommit=True))
        except psycopg.OperationalError:
            return
        mine.append(one.info.backend_pid)


_END_OTHERS = b"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> ALL(%s)
"""


@contextmanager
def silent(server: PostgresServer) -> Iterator[None]:
    """Have the server keep its sockets and say nothing."""
    server.hold(signal.SIGSTOP)
    try:
        yield
    finally:
        server.hold(signal.SIGCONT)


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """Have no server there."""
    server.stop()
    try:
        yield
    finally:
        server.start()
