"""Two tenants, random calls: what one does never changes a byte of what the other has."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.call.router import Route
from admin_api.routes import ROUTES
from config.values import Endpoint
from storage.database import Tx
from tests.admin_api.test_any_input import BODIES, QUERIES
from tests.admin_api.test_matrix import Ids, ids_of
from tests.admin_api.test_routes import TABLE, UNKNOWN
from tests.builders import (
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    SALES,
    STRANGER,
    TENANT_OWNER,
    World,
    count_all,
    open_world,
)
from tests.support.dns_server import open_dns_server
from tests.support.engines import Engine, Engines

TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'",
    "postgresql": "SELECT table_name AS name FROM information_schema.tables"
    " WHERE table_schema = current_schema()",
}
# A long poll waits, and a stream has no end.
CALLS = [
    route
    for route in ROUTES
    if not route.path.startswith("/auth/") and not route.path.endswith(("/wait/", "/stream/"))
]
SHARED = {"store_state", "migrations"}

Cell = bytes | str | int | float | None
Rows = dict[str, set[tuple[Cell, ...]]]


@st.composite
def calls(draw: st.DrawFn) -> tuple[Route, str, bool, dict[str, str], Mapping[str, object] | None]:
    """A route, who calls it, whether with the body that its row has, and what else is sent."""
    route = draw(st.sampled_from(CALLS))
    good = draw(st.booleans())
    return (
        route,
        draw(st.sampled_from([TENANT_OWNER, MEMBER, SALES])),
        good,
        {} if good else draw(QUERIES),
        None if good else draw(BODIES),
    )


Template = tuple[Engine, World, Ids, Ids]


@pytest.fixture(scope="module")
def template(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A world of two tenants, closed, with something of each kind of both: each example's copy."""

    async def furnish(engine: Engine) -> Template:
        async with open_world(engine) as world:
            own = await ids_of(world, SALES, TENANT_OWNER)
            theirs = await ids_of(world, FOREIGN_INBOX, STRANGER, tenant="Other")
            await count_all(world)  # also what was sent: a look at relationships would count it
        return engine, world, own, theirs

    with engines(tmp_path_factory.mktemp("tenants")) as engine:
        with ThreadPoolExecutor(1) as thread:  # the test's own loop may be set, and stays so
            made = thread.submit(asyncio.run, furnish(engine)).result()
        yield made


@asynccontextmanager
async def two_tenants(
    engines: Engines, template: Template
) -> AsyncIterator[tuple[World, Engine, Ids, Ids]]:
    made_before, like, own, theirs = template
    with TemporaryDirectory() as folder, engines(Path(folder), made_before) as engine:
        async with (
            open_dns_server() as dns,
            open_world(
                engine,
                like=like,
                login_rate_per_minute=1000,
                api_rate_per_minute=10**6,
                api_burst=10**6,
                dns_server=Endpoint("127.0.0.1", dns.port),
            ) as world,
        ):
            yield world, engine, own, theirs


def of_the_other(everything: Mapping[str, list[tuple[Cell, ...]]], world: World) -> Rows:
    """The rows that name the other tenant, or anything that such a row names by its id."""
    known: set[Cell] = {world.raw["Other"]}
    while True:
        found: Rows = {
            table: {row for row in rows if known & {*row}} for table, rows in everything.items()
        }
        named = {
            cell
            for rows in found.values()
            for row in rows
            for cell in row
            if isinstance(cell, bytes) and len(cell) == 16
        }
        if named <= known:
            return found
        known |= named


async def rows_of(world: World, engine: Engine) -> dict[str, list[tuple[Cell, ...]]]:
    async def work(tx: Tx) -> dict[str, list[tuple[Cell, ...]]]:
        names = [str(row["name"]) for row in await tx.fetch_all(TABLES[engine.name])]
        found = {}
        for name in names:
            rows = await tx.fetch_all(f"SELECT * FROM {name}") if name not in SHARED else []
            found[name] = [
                tuple(
                    bytes(cell) if isinstance(cell, memoryview) else cell for cell in row.values()
                )
                for row in (dict(row) for row in rows)
            ]
        return found

    return await world.database.read(work)


@settings(max_examples=12)
@given(st.lists(calls(), min_size=25, max_size=25))
async def test_nothing_that_one_tenant_does_touches_the_other(
    engines: Engines,
    template: Template,
    made: list[tuple[Route, str, bool, dict[str, str], Mapping[str, object] | None]],
) -> None:
    async with two_tenants(engines, template) as (world, engine, own, theirs):
        before = of_the_other(await rows_of(world, engine), world)
        assert sum(len(rows) for rows in before.values()) > 20
        for number, (route, who, good, query, body) in enumerate(made):
            row = TABLE[f"{route.method} {route.path}"]
            ids = theirs if number % 3 else own
            path = path_of(route, {name: ids.get(kind) for name, kind in row.names.items()})
            acts_for = FOREIGN_INBOX if number % 5 == 0 else SALES
            named = {"inbox_id": acts_for} if row.acts and who != SALES else {}
            sent = row.body if good else body
            async with world.client(who) as api:
                answer = await api.request(
                    route.method,
                    path,
                    params={
                        key: text.encode("utf-8", "replace")
                        for key, text in (named | query).items()
                    },
                    content=json.dumps(foreign(sent) if number % 2 else sent),
                    headers={"Content-Type": "application/json"},
                )
            assert answer.status_code < 500, answer.text
        assert of_the_other(await rows_of(world, engine), world) == before


def path_of(route: Route, names: Mapping[str, str | None]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]] or UNKNOWN[found[1]], route.path)


def foreign(body: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """The same body with the other tenant's addresses where it names any."""
    names = {"inbox_id": FOREIGN_INBOX, "to": FOREIGN_INBOX, "to_inbox_id": FOREIGN_INBOX}
    names |= {"address": FOREIGN_LIST, "owner_user_id": "usr_" + "0" * 26}
    if body is None:
        return None
    return {key: names.get(key, value) for key, value in body.items()}
