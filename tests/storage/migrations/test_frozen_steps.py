"""A step that a release has never changes: stores were made by it, and nobody runs it again."""

import ast
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storage import migrations
from storage.database import Params, Row, Tx
from storage.engines.opening import open_database
from storage.migrations import STEPS
from tests.support.engines import Databases, Engine

# v0.1.0 has the first 13. A new release adds a line for each of its steps; no line ever changes.
SOURCES = {
    "m001_identity": "4954bedef1588a9e",
    "m002_mail": "fa75eb53e4c98e55",
    "m003_parsing": "b8ba1a6dc672873a",
    "m004_threads": "1153fa4cb6fa4bcd",
    "m005_idempotency": "e95b89e685317517",
    "m006_contacts": "e317690d389e6fa8",
    "m007_explain": "df54eebd9f49db67",
    "m008_alerts": "1133607944cd8a91",
    "m009_audit_log": "0da4304762954e3f",
    "m010_event_log": "89066030193fb09c",
    "m011_retention": "91d1742f422d447c",
    "m012_reopened": "20ae292a91aa94e7",
    "m013_filing": "52a2135e34321197",
}
# What they ran on an empty store, helpers and all.
STATEMENTS = {
    "sqlite": "b6aa83318441ef0a",
    "postgresql": "a709439698672604",
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_released_step_is_as_it_was(name: str) -> None:
    file = Path(migrations.__file__).with_name(f"{name}.py")

    assert source_hash(file.read_text()) == SOURCES[name]


def test_every_released_step_is_frozen() -> None:
    assert [step.__name__ for step in STEPS[: len(SOURCES)]] == list(SOURCES)


def source_hash(source: str) -> str:
    """Of the lines that do something: no docstring, comment, import or blank line counts."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        text = node.body[:1] if isinstance(node, ast.Module | ast.AsyncFunctionDef) else []
        said = [one for one in text if isinstance(one, ast.Expr) and _is_text(one.value)]
        imported = [node] if isinstance(node, ast.Import | ast.ImportFrom) else []
        for one in (*said, *imported):
            skipped |= set(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    lines = [line.rstrip() for line in source.splitlines()]
    kept = [line for number, line in enumerate(lines, 1) if line and number not in skipped]
    return _digest(line for line in kept if not line.lstrip().startswith("#"))


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Recording:
    """A transaction that also keeps what it was told to run."""

    tx: Tx
    told: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> Mapping[str, str]:
        return self.tx.dialect

    async def execute(self, sql: str, params: Params | None = None) -> int:
        self.told.append(" ".join(sql.split()))
        return await self.tx.execute(sql, params)

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        self.told.append(" ".join(sql.split()))
        await self.tx.execute_many(sql, rows)

    async def execute_each(self, statements: Sequence[tuple[str, Params]]) -> list[int]:
        self.told += [" ".join(sql.split()) for sql, _ in statements]
        return await self.tx.execute_each(statements)

    async def execute_all(self, statements: Mapping[str, Sequence[Params]]) -> None:
        self.told += [" ".join(sql.split()) for sql in statements]
        await self.tx.execute_all(statements)

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        return await self.tx.fetch_one(sql, params)

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.tx.fetch_all(sql, params)

    async def fetch_each(self, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        return await self.tx.fetch_each(queries)

    def new_id(self) -> bytes:
        return self.tx.new_id()


@pytest.mark.parametrize("engine_name", STATEMENTS)
async def test_what_the_released_steps_run_is_as_it_was(
    engine_name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = "sqlite"
    if engine_name == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        url = databases.make_empty()
    engine = Engine(engine_name, url, tmp_path)
    database = await open_database(engine.store, engine.data, lambda: 1)

    async def work(tx: Tx) -> list[str]:
        recording = Recording(tx)
        for step in STEPS[: len(SOURCES)]:
            await step(recording)
        return recording.told

    told = await database.write(work)
    await database.close()
    if engine_name == "postgresql":
        databases.drop(url)

    assert _digest(told) == STATEMENTS[engine_name]
    assert len(told) > len(SOURCES)
