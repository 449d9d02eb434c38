"""Statements that go together answer as they would one by one."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from storage.engines.postgres_connections import Connection, connected
from storage.engines.servers.round_trips import Answer, Step, send_together

MIB = 1024 * 1024


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    async with connected(url) as (made, _):
        await made.execute("CREATE TABLE kept (key INTEGER PRIMARY KEY, octets BYTEA)")
        yield made


async def sent(connection: Connection, *steps: Step) -> list[Answer]:
    answers: list[Answer] = []
    await send_together(connection, steps, answers)
    return answers


async def count(connection: Connection) -> int:
    row = await (await connection.execute("SELECT COUNT(*) AS rows FROM kept")).fetchone()
    assert row is not None
    return int(row["rows"])


PUT = b"INSERT INTO kept (key, octets) VALUES ($1, $2)"


async def test_each_answer_is_that_of_its_statement(connection: Connection) -> None:
    for number in range(0, 40, 4):  # so often that it is prepared on the way
        answers = await sent(
            connection,
            Step(b"BEGIN"),
            Step(PUT, rows=[(number, b"a"), (number + 1, b"b")]),
            Step(PUT, [number + 2, b"c"], prepare=True),
            Step(b"SELECT COUNT(*) AS rows FROM kept WHERE key >= $1", [number]),
            Step(b"COMMIT"),
        )
        assert await answers[3].fetchone() == {"rows": 3}
    assert await count(connection) == 30


async def test_what_is_longer_than_any_buffer_arrives(connection: Connection) -> None:
    steps = [Step(PUT, [number, bytes([number]) * MIB]) for number in range(40)]
    asked = Step(b"SELECT key, octets FROM kept ORDER BY key")
    answers = await sent(connection, *steps, asked)
    rows = await answers[-1].fetchall()
    assert [(row["key"], bytes(row["octets"])) for row in rows] == [
        (number, bytes([number]) * MIB) for number in range(40)
    ]


async def test_the_first_error_counts_and_what_is_behind_it_is_not_done(
    connection: Connection,
) -> None:
    answers: list[Answer] = []
    with pytest.raises(psycopg.errors.UniqueViolation):
        await send_together(
            connection,
            [
                Step(b"BEGIN"),
                Step(PUT, [1, b""]),
                Step(PUT, [1, b""]),
                Step(b"SELECT wrong"),
                Step(b"COMMIT"),
            ],
            answers,
        )
    await connection.execute("ROLLBACK")
    assert await count(connection) == 0
    assert await (await sent(connection, Step(b"SELECT 1 AS one")))[0].fetchone() == {"one": 1}


async def test_a_connection_that_is_closed_is_a_fault_of_the_server(
    connection: Connection,
) -> None:
    await connection.close()
    with pytest.raises(psycopg.OperationalError):
        await sent(connection, Step(b"BEGIN"), Step(b"COMMIT"))


async def test_a_server_that_goes_meanwhile_is_one_too(connection: Connection) -> None:
    ends = Step(b"SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError):
        await sent(connection, Step(b"BEGIN"), ends, Step(b"COMMIT"))
    assert connection.closed
