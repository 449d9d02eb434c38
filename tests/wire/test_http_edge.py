"""Attacks on the HTTP port of the server as it is shipped: what they cost it, and what others get.

The benchmark `--only edge` makes the same ones larger, and times them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import pytest

from benchmarks import edge_attacks
from benchmarks.edge_attacks import MIB
from benchmarks.servers import Endpoint
from tests.support.fixtures import MakeServer, Servers
from tests.support.loads import growth, warm_up
from tests.support.memory import need_proc
from tests.support.server import Server
from tests.support.smtp import message

pytestmark = [pytest.mark.xdist_group("heavy"), pytest.mark.timeout(240)]

TEAM = ["team@example.test"]
PATIENT = 10.0  # seconds; nobody waits for more than a busy machine


def http_of(server: Server) -> Endpoint:
    parts = urlsplit(server.demo.http)
    return Endpoint(parts.hostname or "", parts.port or 0)


ATTACKS: dict[str, Callable[[Endpoint], str]] = {
    "pipelines": partial(edge_attacks.pipelines, count=2),
    "headers": partial(edge_attacks.headers, octets=20 * MIB, connections=5),
    "trailers": partial(edge_attacks.trailers, octets=20 * MIB, connections=5),
    "silence": partial(edge_attacks.silence, count=500, seconds=1),
}


def test_an_attack_costs_little_and_others_are_served_meanwhile(own_server: MakeServer) -> None:
    need_proc()
    server = own_server({"exempt_networks": edge_attacks.EXEMPT, "mail_processes": "2"})
    warm_up(server)
    smtp, target = Endpoint(*server.demo.smtp), http_of(server)
    with edge_attacks.probing(smtp, target):
        ATTACKS["silence"](target)
    for name, attack in ATTACKS.items():
        with growth(server) as grown, edge_attacks.probing(smtp, target) as waits:
            attack(target)
        assert waits.faults == [], name
        assert max(waits.banner + waits.healthz, default=0) < PATIENT, name
        assert grown.octets <= 16 * MIB, f"{name}: {grown}"


@pytest.mark.parametrize("processes", ["1", "3"])
def test_connections_without_end_leave_descriptors_for_smtp(
    servers: Servers, processes: str
) -> None:
    server = servers.new({"mail_processes": processes})
    server.descriptors = 400
    server.start_demo()
    held = partial(edge_attacks.silence, http_of(server), count=1000, seconds=1)
    with edge_attacks.probing(Endpoint(*server.demo.smtp), http_of(server)) as waits:
        held()
        with server.client() as client:
            assert client.deliver(message("among the silent"), TEAM).code == 250
    assert len(waits.banner) > 0 and not [one for one in waits.faults if "503" not in one]
    assert "accept_paused" not in server.log_tail()
    assert "http_turned_away" in server.log_tail()
    servers.stop(server)
