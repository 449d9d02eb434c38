"""One statement for many rows does what it would do for each of them."""

from collections.abc import Sequence

from storage.clock import system_clock
from storage.database import Params, Tx
from storage.engines.postgres import open_postgres
from storage.engines.servers.many_rows import steps_of
from tests.support.cases import cases

PUT = """
    INSERT INTO kept (key, text, octets, number, weight)
    VALUES (:key, :text, :octets, :number, {})
"""
OVER = """ ON CONFLICT (key) DO UPDATE SET text = excluded.text, number = kept.number + 1"""
COPY = """
    INSERT INTO kept (key, text, octets, number, weight)
    SELECT o.key, :text, o.octets, o.key * 2, :weight FROM others o WHERE o.part = :key
"""
COPY_ONCE = COPY.replace("o.part =", "o.part >=") + " ON CONFLICT (key) DO NOTHING"
GROW = COPY.replace("others", "kept").replace("o.part", "o.key").replace("o.key,", "o.key + 100,")
WEIGHT = "CAST(:weight AS DOUBLE PRECISION)"


def rows(*keys: int, **given: object) -> list[Params]:
    one: dict[str, object] = {"text": "é'\\", "octets": b"\0\xff", "number": 1, "weight": 0.5}
    return [one | {"key": key} | given for key in keys]


# Statement, rows, and in how many statements they go.
CASES: dict[str, tuple[str, Sequence[Params], int]] = {
    "an INSERT": (PUT.format(WEIGHT), rows(1, 2, 3), 1),
    "literals beside values": (PUT.format("(1 + 2) * :weight"), rows(1, 2), 1),
    "a column without a value": (PUT.format(WEIGHT), rows(1, 2, octets=None, text=None), 1),
    "a column with some": (PUT.format(WEIGHT), [*rows(1, 2, text=None), *rows(3)], 1),
    "numbers of two types": (PUT.format(WEIGHT), [*rows(1), *rows(2, weight=2)], 0),
    "a truth": (PUT.format(WEIGHT), rows(1, 2, number=True), 1),
    "what is there already": (
        PUT.format(":weight") + " ON CONFLICT (key) DO NOTHING",
        rows(1, 1),
        1,
    ),
    "an INSERT of another table": (COPY, rows(1, 4, 6), 1),
    "the first of two for a key": (COPY_ONCE, [*rows(4, text="one"), *rows(1, text="two")], 1),
    "an INSERT of its own table": (GROW, rows(7, 107), 0),
    "an INSERT by a query": (COPY + " AND o.key > (SELECT MIN(key) FROM kept)", rows(1, 4), 0),
    "a key once": (PUT.format(":weight") + OVER, rows(1, 2), 1),
    "a key twice": (PUT.format(":weight") + OVER, rows(1, 1), 0),
    "an UPDATE by key": (
        "UPDATE kept SET text = :text, number = number + :number WHERE key = :key AND number > 0",
        rows(7, 8, 9),
        1,
    ),
    "an UPDATE of a key twice": (
        "UPDATE kept SET number = number + :number WHERE key = :key",
        rows(7, 7),
        0,
    ),
    "an UPDATE by a query": (
        "UPDATE kept SET number = (SELECT MAX(number) FROM kept WHERE key = :key) WHERE key = 8",
        rows(7, 9),
        0,
    ),
    "a DELETE": ("DELETE FROM kept WHERE key = :key AND number >= :number", rows(7, 9, 7), 1),
    "anything else": ("SELECT :key + 1", rows(1, 2), 0),
}


async def kept_after(
    tx: Tx, sql: str, batches: Sequence[Sequence[Params]]
) -> list[tuple[object, ...]]:
    await tx.execute("DELETE FROM kept")
    await tx.execute_many(PUT.format(":weight"), rows(7, 8, 9))
    for some in batches:
        await tx.execute_many(sql, some)
    found = await tx.fetch_all("SELECT * FROM kept ORDER BY key")
    return [tuple(row.values()) for row in found]


async def test_many_rows_leave_what_each_of_them_would(url: str) -> None:
    store = await open_postgres(url, system_clock)

    async def work(tx: Tx) -> None:
        await tx.execute(
            "CREATE TABLE kept (key INTEGER PRIMARY KEY, text TEXT, octets BYTEA,"
            " number INTEGER, weight DOUBLE PRECISION)"
        )
        await tx.execute("CREATE TABLE others (key INTEGER, part INTEGER, octets BYTEA)")
        parts = [
            {"key": 10 + at, "part": part, "octets": b"\xff"}
            for at, part in enumerate((1, 1, 4, 6, 6))
        ]
        await tx.execute_many("INSERT INTO others VALUES (:key, :part, :octets)", parts)
        with cases() as case:
            for name, (sql, some, together) in CASES.items():
                with case(name):
                    one_by_one = await kept_after(tx, sql, [[row] for row in some])
                    assert await kept_after(tx, sql, [some]) == one_by_one
                    assert sum(not step.rows for step in steps_of(sql, some)) == together

    try:
        await store.write(work)
    finally:
        await store.close()
