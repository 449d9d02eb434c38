"""Rate limits, and the client address they count by."""

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from admin_api.http.client_address import UNIX_PEER, client_network
from admin_api.service.rate_limits import Buckets
from storage.clock import SECOND
from tests.builders import AGENT, SALES, open_world
from tests.support.engines import Engine

PEERS = {None: None, "unix": UNIX_PEER}


def request_from(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": PEERS.get(peer, (peer, 1)), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("198.51.100.1", ["192.0.2.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", [], "198.51.100.1"),
        (None, ["192.0.2.1"], "unknown"),
        ("unix", [], "unknown"),
        ("unix", ["192.0.2.1"], "192.0.2.1"),
        ("unix", ["203.0.113.9", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("unix", ["192.0.2.1, unknown"], "unknown"),
    ],
)
def test_who_counts_as_client(peer: str | None, forwarded: list[str], counted: str) -> None:
    trusted = (ip_network("10.0.0.0/8"),)
    assert client_network(request_from(peer, *forwarded), trusted) == counted


def test_a_bucket_gives_its_burst_then_one_at_a_time() -> None:
    now = 0.0
    buckets = Buckets(per_minute=60, burst=2, ticks=lambda: now)
    assert [buckets.take("a").granted for _ in range(3)] == [True, True, False]
    assert buckets.take("b").granted
    assert buckets.take("a").seconds == 1
    now = 1.0
    assert [buckets.take("a").granted for _ in range(2)] == [True, False]


def test_full_buckets_are_forgotten() -> None:
    now = 0.0
    buckets = Buckets(per_minute=60, burst=2, ticks=lambda: now)
    for key in range(100):
        buckets.take(key)
    now = 10.0
    buckets.take("last")
    assert len(buckets._levels) == 1


async def test_calls_are_limited_for_each_credential_and_say_what_is_left(engine: Engine) -> None:
    async with (
        open_world(engine, api_rate_per_minute=60, api_burst=3) as world,
        world.client(SALES) as api,
        world.client(AGENT) as other,
    ):
        answers = [await api.get("/v1/me/") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"] for answer in answers] == [
            '"calls";r=2;t=0',
            '"calls";r=1;t=0',
            '"calls";r=0;t=1',
            '"calls";r=0;t=1',
        ]
        assert answers[0].headers["ratelimit-policy"] == '"calls";q=60;w=60'
        assert answers[3].headers["retry-after"] == "1"
        assert (await other.get("/v1/me/")).status_code == 200
        world.clock.advance(SECOND)
        assert (await api.get("/v1/me/")).status_code == 200
