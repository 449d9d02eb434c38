"""The cost to the intake of checking who wrote each message, and how soon a message is checked.

Rules kept here:
- Both servers run the same release and alternate; only the setting `authentication` differs.
- The client is no relay: SPF is checked too. Timed messages are signed by RSA of 2,048 bits.
- The DNS is a process of its own on loopback, asked through the server's cache.
- How soon: from `received_at` to `checked_at`, as the server wrote them.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from benchmarks import latency, wire
from benchmarks.calls import connected, get
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.name_server import NameServer, run_name_server
from benchmarks.plan import KIB, Plan, Workload
from benchmarks.postroom_server import PostroomServer, copy_store, make_token, run_postroom
from benchmarks.servers import list_address, member_address
from benchmarks.throughput import alternate

_AT_MOST = 1.03
_SESSIONS = 10
_SIGNED = 200
_PAUSE = 0.05
_BLACK_HOLED = 16
_PATIENCE = 600.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Measure the intake with and without, then how soon a message is checked."""
    private, public = _key()
    records = {
        "client.test": "v=spf1 ip4:127.0.0.0/8 -all",
        "_dmarc.client.test": "v=DMARC1; p=reject",
        "s1._domainkey.client.test": f"v=DKIM1; k=rsa; p={public}",
    }
    on, off = (copy_store(prepared, directory / f"authentication-{name}") for name in ("on", "off"))
    token = make_token(on, member_address(1), "email:read")
    with ExitStack() as running:
        names = running.enter_context(run_name_server(records))
        checking = running.enter_context(run_postroom(on, settings=_settings("on", names)))
        silent = running.enter_context(run_postroom(off, settings=_settings("off", names)))
        figures = _intake((checking, silent), plan, tell)
        tell("authentication: signed mail")
        figures += _soon(checking, token, private)
        tell("authentication: the DNS is black-holed")
        names.tell("silent")
        return figures + _black_holed((checking, silent), token, plan)


def _settings(switch: str, names: NameServer) -> dict[str, str]:
    return {
        "POSTROOM_AUTHENTICATION": switch,
        "POSTROOM_DNS_SERVER": f"127.0.0.1:{names.port}",
        "POSTROOM_EXEMPT_NETWORKS": "192.0.2.0/24",
        "POSTROOM_MAX_NEW_CONNECTIONS_PER_MINUTE": "1000000",
        "POSTROOM_API_RATE_PER_MINUTE": "1000000",
    }


def _intake(
    servers: tuple[PostroomServer, PostroomServer], plan: Plan, tell: Callable[[str], None]
) -> list[Figure]:
    checking, silent = servers
    workload = Workload(5, 10 * KIB)
    tell(f"authentication: {workload.label}")
    with_it, without = alternate([(checking, workload), (silent, workload)], plan)
    tell("authentication: dot to 250")
    return [
        Figure(
            f"time per message ({workload.label}), senders checked",
            without.rate / with_it.rate,
            "times that without",
            at_most=_AT_MOST,
            note=f"{with_it.rate:.0f} and {without.rate:.0f} msg/s",
        ),
        _slower("p99 of dot to 250, senders checked", servers, plan),
    ]


def _slower(what: str, servers: Sequence[PostroomServer], plan: Plan) -> Figure:
    """Compare the p99 of both, run by run."""
    workload, each = Workload(5, 10 * KIB), plan.latencies // _SESSIONS
    runs: list[list[float]] = [[], []]
    for _ in range(max(plan.runs, 3)):
        for server, found in zip(servers, runs, strict=True):
            seconds = latency.sessions_together(server, workload, _SESSIONS, each=each)
            found.append(latency.percentile(seconds, 99))
    with_it, without = map(median, runs)
    return Figure(
        what,
        with_it / without,
        "times that without",
        at_most=_AT_MOST,
        note=f"{with_it * 1000:.1f} and {without * 1000:.1f} ms",
    )


def _soon(server: PostroomServer, token: str, private: bytes) -> list[Figure]:
    _wait_checked(server, token, _newest(server, token, 1))
    contents = [dkim.sign(one, b"s1", b"client.test", private) + one for one in _messages(_SIGNED)]
    with wire.Client(server.smtp) as client:
        for content in contents:
            client.send(list_address(1), content)
            time.sleep(_PAUSE)
    waited = _wait_checked(server, token, _newest(server, token, _SIGNED))
    return [
        Figure(
            f"250 to `authentication`, p{percent}, a message each 50 ms",
            latency.percentile(waited, percent) * 1000,
            "ms",
            at_most=most,
        )
        for percent, most in ((50, 100), (95, 2000))
    ]


def _messages(count: int) -> list[bytes]:
    head = b"From: Ann <ann@client.test>\r\nTo: list@bench.test\r\nSubject: %d\r\n\r\n"
    return [head % number + wire.lines(4 * KIB) for number in range(count)]


def _black_holed(
    servers: tuple[PostroomServer, PostroomServer], token: str, plan: Plan
) -> list[Figure]:
    checking = servers[0]
    _wait_checked(checking, token, _newest(checking, token, 1))
    with wire.Client(checking.smtp) as client:
        for number in range(_BLACK_HOLED):
            head = b"From: Ann <ann@n%d.test>\r\nSubject: %d\r\n\r\n" % (number, number)
            client.send(list_address(1), head + wire.lines(KIB))
    sent = _newest(checking, token, _BLACK_HOLED)
    figure = _slower("p99 of dot to 250, the DNS black-holed", servers, plan)
    longest = max(_wait_checked(checking, token, sent))
    return [
        figure,
        Figure("a try, the DNS black-holed, the longest", longest, "s", at_most=41.0),
    ]


def _newest(server: PostroomServer, token: str, count: int) -> list[str]:
    found = _get(server, f"/v1/messages/?limit={count}", token)["results"]
    return [one["message_id"] for one in found]


def _wait_checked(server: PostroomServer, token: str, message_ids: Sequence[str]) -> list[float]:
    """Wait until these are checked; the seconds from receipt to check of each."""
    end = time.monotonic() + _PATIENCE
    found: list[float] = []
    for message_id in message_ids:
        while (waited := _waited(server, message_id, token)) is None:
            if time.monotonic() > end:
                raise BenchmarkFault(f"messages are not checked after {_PATIENCE:.0f} s")
            time.sleep(0.5)
        found.append(waited)
    return found


def _waited(server: PostroomServer, message_id: str, token: str) -> float | None:
    found = _get(server, f"/v1/messages/{message_id}/", token)
    if found["authentication"] is None:
        return None
    received, checked = found["received_at"], found["authentication"]["checked_at"]
    return (datetime.fromisoformat(checked) - datetime.fromisoformat(received)).total_seconds()


def _get(server: PostroomServer, path: str, token: str) -> dict[str, Any]:
    with connected(server, timeout=60) as connection:
        found: dict[str, Any] = json.loads(get(connection, path, token))
        return found


def _key() -> tuple[bytes, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, b64encode(public).decode()
