"""Connection limits: who counts with whom, for how long, and for whom they do not hold."""

from __future__ import annotations

import pytest

from config.settings import Settings
from config.values import networks
from gateway.listening.connection_limits import ConnectionLimits
from gateway.smtp import replies

OURS = "198.51.100.7"


def limits(
    *, in_all: int = 2000, kept: int = 100, of_one: int = 50, a_minute: int = 300
) -> ConnectionLimits:
    return ConnectionLimits(
        Settings(
            exempt_networks=networks("198.51.100.0/24"),
            max_connections=in_all,
            exempt_connections=kept,
            max_connections_per_client=of_one,
            max_new_connections_per_minute=a_minute,
        )
    )


@pytest.mark.parametrize(
    ("clients", "another"),
    [
        (["192.0.2.1"], "192.0.2.2"),
        (["192.0.2.1", "::ffff:192.0.2.1"], "::ffff:192.0.2.2"),
        (["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"], "2001:db8:0:2::1"),
    ],
)
def test_fifty_connections_of_one_network_and_no_more(clients: list[str], another: str) -> None:
    gate = limits()
    entered = []
    for number in range(50):
        client = clients[number % len(clients)]
        assert gate.refusal(client, 0.0) is None
        entered.append(gate.enter(client))

    assert all(gate.refusal(one, 0.0) is replies.TOO_MANY_FROM_CLIENT for one in clients)
    assert gate.refusal(another, 0.0) is None
    gate.leave(entered[0])
    assert gate.refusal(clients[-1], 0.0) is None


def test_three_hundred_new_ones_a_minute_and_no_more() -> None:
    gate = limits()
    for number in range(300):
        assert gate.refusal(f"2001:db8::{number:x}", number / 10) is None
        gate.leave(gate.enter("2001:db8::1"))

    assert gate.refusal("2001:db8::ffff", 59.9) is replies.TOO_MANY_FROM_CLIENT
    assert gate.refusal("2001:db8:0:1::", 59.9) is None
    # The first is a minute old by now, the second is not.
    assert gate.refusal("2001:db8::ffff", 60.0) is None
    assert gate.refusal("2001:db8::ffff", 60.0) is replies.TOO_MANY_FROM_CLIENT


@pytest.mark.parametrize("client", [OURS, ""])
def test_exempt_networks_and_local_programs_count_in_all_only(client: str) -> None:
    gate = limits(in_all=4, kept=0, of_one=1, a_minute=1)
    for _ in range(4):
        assert gate.refusal(client, 0.0) is None
        gate.enter(client)

    assert gate.refusal(client, 0.0) is replies.TOO_MANY_CONNECTIONS
    assert gate.refusal("192.0.2.1", 0.0) is replies.TOO_MANY_CONNECTIONS


def test_strangers_leave_the_kept_connections_to_exempt_networks() -> None:
    gate = limits(in_all=3, kept=1)
    for client in ("192.0.2.1", "192.0.2.2"):
        assert gate.refusal(client, 0.0) is None
        gate.enter(client)

    assert gate.refusal("192.0.2.3", 0.0) is replies.TOO_MANY_CONNECTIONS
    assert gate.refusal(OURS, 0.0) is None


def test_networks_of_which_no_minute_tells_are_forgotten() -> None:
    gate = limits()
    for number in range(100):
        gate.refusal(f"192.0.2.{number}", 0.0)
    gate.refusal("203.0.113.1", 61.0)

    assert gate._recent.keys() == {"203.0.113.1"}
