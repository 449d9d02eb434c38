"""What Prometheus reads: who may, and what is counted."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families as families_of

from tests.builders import AGENT, SALES, World, open_world
from tests.support.engines import Engine

PEER = ("203.0.113.9", 40000)
LOCAL = ("127.0.0.1", 40000)
TOKEN = "a-token-of-the-operator"


@asynccontextmanager
async def asking(world: World, peer: tuple[str, int]) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(world.app, client=peer)
    async with httpx2.AsyncClient(transport=transport, base_url="http://postroom.test") as client:
        yield client


async def status(world: World, peer: tuple[str, int], **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asking(world, peer) as client:
        return (await client.get("/metrics", headers=named)).status_code


async def read(world: World) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    async with asking(world, LOCAL) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families_of(answer.text)
        for sample in family.samples
    }


async def test_without_a_token_only_this_machine_reads_and_others_find_nothing(
    world: World,
) -> None:
    for local in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        assert await status(world, (local, 1)) == 200, local
    assert await status(world, PEER) == 404
    assert await status(world, PEER, authorization="Bearer ") == 404
    assert await status(world, PEER, authorization=f"Bearer {world.secrets[SALES]}") == 404
    assert await status(world, PEER, x_forwarded_for="127.0.0.1") == 404


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "Fastly-Client-IP",
    ],
)
async def test_what_a_proxy_on_this_machine_forwards_is_not_local(world: World, name: str) -> None:
    async with asking(world, LOCAL) as client:
        assert (await client.get("/metrics", headers={name: "x"})).status_code == 404


async def test_with_a_token_whoever_brings_it_reads(engine: Engine) -> None:
    async with open_world(engine, metrics_token=TOKEN) as world:
        assert await status(world, LOCAL) == 200
        assert await status(world, PEER, authorization=f"Bearer {TOKEN}") == 200
        assert await status(world, LOCAL, authorization=f"bearer {TOKEN}", via="x") == 200
        for wrong in ("", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
            async with asking(world, PEER) as client:
                given = [(b"authorization", wrong.encode("latin-1"))] if wrong else []
                answer = await client.get("/metrics", headers=given)
            assert answer.status_code == 401, wrong
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_calls_are_counted_by_template_method_and_status(world: World) -> None:
    async with world.client(SALES) as api:
        for number in range(3):
            await api.get(f"/v1/messages/msg_{number:026}/")
        await api.get("/v1/inboxes/")
        for number in range(3):
            await api.get(f"/nothing/{number}")
        await api.request("BREW", "/v1/inboxes/")
    found = await read(world)

    def calls(route: str, method: str, code: str) -> float:
        labels = {("route", route), ("method", method), ("status", code)}
        return found["postroom_http_requests_total", frozenset(labels)]

    assert calls("/v1/messages/{message_id}/", "GET", "404") == 3
    assert calls("/v1/inboxes/", "GET", "200") == 1
    assert calls("none", "GET", "404") == 3
    assert calls("/v1/inboxes/", "other", "405") == 1
    labels = frozenset({("route", "none"), ("method", "GET")})
    assert found["postroom_http_request_seconds_count", labels] == 3
    most = labels | {("le", "+Inf")}
    assert found["postroom_http_request_seconds_bucket", most] == 3
    assert not [name for name, labels in found if "msg_" in str(labels)]


async def test_a_call_is_a_line_in_the_log_with_the_id_of_its_response(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "postroom.http")
    async with open_world(engine) as world, world.client(AGENT) as api:
        response = await api.get("/v1/messages/")
        await api.get("/healthz")

    (line,) = [one for one in caplog.records if one.getMessage() == "called"]
    pairs = vars(line)["pairs"]
    assert pairs["request"].decode() == response.headers["X-Request-Id"]
    assert (pairs["method"], pairs["route"], pairs["status"]) == ("GET", "/v1/messages/", 200)
