"""Whatever comes: an answer that was foreseen, never a fault of ours."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.call.router import Route, Router
from admin_api.http.payload import read_query
from admin_api.http.strict_json import MalformedJson, parse_object
from admin_api.routes import ROUTES
from config.values import Endpoint
from tests.admin_api.test_routes import UNKNOWN
from tests.builders import (
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
    open_world,
)
from tests.support.dns_server import open_dns_server
from tests.support.engines import Engines
from tests.support.raw_asgi import ask_raw

ROUTER = Router(ROUTES)
FIELDS = sorted(
    {"inbox_id", "odd"}.union(
        *(
            {*route.parameters.model_fields}
            | ({*route.payload.model_fields} if route.payload else set())
            for route in ROUTES
        )
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([SALES, SUPPORT, TEAM, "email:read", "inbox", "2027-01-15T08:00:00Z", "x@y"])
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=6)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
QUERIES = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20), max_size=3)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_a_body_is_read_or_malformed(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except MalformedJson as error:
        assert error.detail


@given(BODIES)
def test_what_json_can_say_is_read_as_json_reads_it(body: dict[str, object]) -> None:
    text = json.dumps(body)
    try:
        assert parse_object(text.encode()) == json.loads(text)
    except MalformedJson as error:
        assert error.faults


@given(st.binary(max_size=60))
def test_any_query_is_read_or_has_faults(raw: bytes) -> None:
    given_, faults = read_query(raw)
    assert faults or all("\x00" not in str(value) for value in given_.values())


@given(st.binary(max_size=40))
def test_any_path_is_matched_or_not(raw: bytes) -> None:
    match = ROUTER.match(raw)
    assert match is None or match.routes


@given(st.text(min_size=1, max_size=20))
def test_a_segment_comes_through_as_it_was_encoded(text: str) -> None:
    match = ROUTER.match(f"/v1/tokens/{quote(text, safe='', errors='replace')}/".encode())
    assert (
        match is not None
        and match.arguments["token_id"] == text.encode("utf-8", "replace").decode()
    )


@asynccontextmanager
async def world_with_mail(engines: Engines) -> AsyncIterator[tuple[World, str]]:
    with TemporaryDirectory() as folder, engines(Path(folder)) as engine:
        async with (
            open_dns_server() as dns,
            open_world(
                engine,
                login_rate_per_minute=1000,
                api_rate_per_minute=10**6,
                api_burst=10**6,
                dns_server=Endpoint("127.0.0.1", dns.port),
            ) as world,
        ):
            yield world, await deliver(world, "team@example.test")


async def shared_work(world: World) -> dict[str, str]:
    """A thread with a note, a task and a template."""
    async with world.client(SALES) as api, world.client(TENANT_OWNER) as admin:
        (thread,) = (await api.get("/v1/messages/threads/")).json()["results"]
        notes = f"/v1/messages/threads/{thread['thread_id']}/notes/"
        return {
            "thread_id": thread["thread_id"],
            "note_id": (await api.post(notes, json={"body": "x"})).json()["note_id"],
            "task_id": (await api.post("/v1/tasks/", json={"title": "x"})).json()["task_id"],
            "template_id": (await admin.post("/v1/templates/", json={})).json()["template_id"],
        }


def path_of(route: Route, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], route.path)


ANY_INPUTS = st.lists(st.tuples(QUERIES, BODIES), min_size=3, max_size=3)


@settings(max_examples=3)  # the first is next to nothing
@given(inputs=ANY_INPUTS)
async def test_no_input_makes_a_fault_of_ours(
    engines: Engines, inputs: list[tuple[dict[str, str], dict[str, object]]]
) -> None:
    await send_everywhere(engines, inputs)


@pytest.mark.soak
@settings(max_examples=200)
@given(inputs=ANY_INPUTS)
async def test_no_input_of_very_many_makes_a_fault_of_ours(
    engines: Engines, inputs: list[tuple[dict[str, str], dict[str, object]]]
) -> None:
    await send_everywhere(engines, inputs)


async def send_everywhere(
    engines: Engines, inputs: list[tuple[dict[str, str], dict[str, object]]]
) -> None:
    """Send a third of the inputs to every route as each of three callers."""
    async with world_with_mail(engines) as (world, message_id):
        names = UNKNOWN | {
            "message_id": message_id,
            "list_id": world.ids[TEAM],
            "inbox_id": world.ids[SALES],
            "token_id": world.ids[f"token of {SUPPORT}"],
            "user_id": world.ids[TENANT_ADMIN],
            "name": "example.test",
            **await shared_work(world),
        }
        for first, who in enumerate((TENANT_OWNER, MEMBER, SALES)):
            async with world.client(who) as api:
                for route in ROUTES:
                    # A stream has no end; what it is asked is tested with it.
                    if route.path.startswith("/auth/") or route.path.endswith("/stream/"):
                        continue
                    for query, body in inputs[first::3]:
                        await send(api, route, path_of(route, names), query, body)


async def send(
    api: httpx2.AsyncClient,
    route: Route,
    path: str,
    query: dict[str, str],
    body: dict[str, object],
) -> None:
    waits = {"timeout": b"0"} if route.path.endswith("/wait/") else {}
    answer = await api.request(
        route.method,
        path,
        params={name: value.encode("utf-8", "replace") for name, value in query.items()} | waits,
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    ("query", "host"), [(b"x=\xff", "x"), (b"", "[::::]"), (b"x=1", "x:70000")]
)
async def test_octets_that_make_no_url_are_no_fault_of_ours(
    world: World, query: bytes, host: str
) -> None:
    async with world.client(TENANT_OWNER) as api:
        headers = {"Host": host, "Authorization": api.headers["authorization"]}
    for route in ROUTES:
        if route.method != "GET" or "{" in route.path or route.path.endswith("/stream/"):
            continue
        asked = b"timeout=0&" + query if route.path.endswith("/wait/") else query
        status, _ = await ask_raw(world.app, route.path, asked, headers)
        assert status < 500, route.path
