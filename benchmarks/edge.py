"""The cost of an attack on the HTTP edge: memory that stays, and what others wait meanwhile.

Rules kept here:
- Each attack has a server of its own, warmed up, with every setting at its default but for
  `exempt_networks`, so that the attacker counts as a stranger.
- Memory is what all processes hold more afterwards than before, proportional set size; the peak is
  told beside it.
- An attack is made again and again for some seconds, so that there is something to wait beside.
- The flood of interim answers comes from endpoints of webhooks, called by the test call of alerts.
"""

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import edge_attacks, load, proc
from benchmarks.calls import UNLIMITED
from benchmarks.edge_attacks import Waits
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.plan import KIB, MIB, Plan
from benchmarks.postroom_server import PostroomServer, copy_store, make_admin, run_postroom
from benchmarks.servers import Endpoint, list_address, member_address
from benchmarks.webhooks import post

_SETTINGS = {
    "POSTROOM_EXEMPT_NETWORKS": edge_attacks.EXEMPT,
    "POSTROOM_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
    # Test calls end quickly, and all are one credential's.
    **UNLIMITED,
}
_HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000
_FLOODS = 4
_SECONDS = 5.0
_SETTLE_SECONDS = 7.0
_MOST_MIB = 16.0
_MOST_MS = 250.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Attack a server in each way; the figures of each. They are the same for every plan."""
    attacks: list[tuple[str, Callable[[Endpoint], str]]] = [
        ("5 pipelines of 6 MiB", edge_attacks.pipelines),
        ("100 MiB of header fields", edge_attacks.headers),
        ("40 MiB of trailer fields", edge_attacks.trailers),
        (f"{edge_attacks.SILENT:,} silent connections", edge_attacks.silence),
    ]
    figures: list[Figure] = []
    for number, (what, attack) in enumerate(attacks):
        tell(f"edge: {what}")
        data = copy_store(prepared, directory / f"edge{number}")
        with run_postroom(data, settings=_SETTINGS) as server:
            figures += _attacked(server, what, partial(_again, attack, server.http))
    tell(f"edge: {_FLOODS} endpoints that flood 103")
    data = copy_store(prepared, directory / "edge-floods")
    password = make_admin(data)
    with run_postroom(data, settings=_SETTINGS) as server, _flooding() as port:
        call = _prepared_calls(server, password, port)
        figures += _attacked(server, f"{_FLOODS} endpoints that flood 103", call)
    return figures


def _again(attack: Callable[[Endpoint], str], target: Endpoint) -> str:
    ends, times = time.monotonic() + _SECONDS, 1
    note = attack(target)
    while time.monotonic() < ends:
        note, times = attack(target), times + 1
    return f"{times} times {note}"


def _attacked(server: PostroomServer, what: str, attack: Callable[[], str]) -> list[Figure]:
    load.send(server.smtp, load.Load(list_address(1), 200, 10 * KIB), timeout=60)
    with edge_attacks.probing(server.smtp, server.http):
        time.sleep(1)
    proc.wait_quiet(server.pid, timeout=60)
    baseline = proc.pss_bytes(server.pid)
    with (
        proc.PeakMemory(server.pid, interval=0.05) as memory,
        edge_attacks.probing(server.smtp, server.http) as waits,
    ):
        note = attack()
    time.sleep(_SETTLE_SECONDS)
    grown = (proc.pss_bytes(server.pid) - baseline) / MIB
    peak = (memory.peak - baseline) / MIB
    return [
        Figure(
            f"{what}: memory after", grown, "MiB", _MOST_MIB, f"{note}; +{peak:.0f} at the peak"
        ),
        *_waited(what, waits),
    ]


def _waited(what: str, waits: Waits) -> list[Figure]:
    failed = f"{len(waits.faults)} failed {waits.faults[:1]}" if waits.faults else "none failed"
    return [
        Figure(
            f"{what}: {name}, p99",
            percentile(times, 99) * 1000 if not waits.faults else float("inf"),
            "ms",
            _MOST_MS,
            f"{len(times)} tries, {failed}",
        )
        for name, times in (("SMTP banner", waits.banner), ("another's /healthz", waits.healthz))
    ]


def _prepared_calls(server: PostroomServer, password: str, port: int) -> Callable[[], str]:
    """Four alerts, each called once; to be called: each again and again, all at a time."""
    connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=60)
    login = {"email": "admin@bench.test", "password": password}
    token = str(post(connection, "/auth/login/", login, None)["access_token"])
    connection.close()
    urls = [f"http://127.0.0.1:{port}/{number}" for number in range(_FLOODS)]

    def call(path: str, seconds: float = _SECONDS) -> int:
        own = http.client.HTTPConnection(server.http.host, server.http.port, timeout=60)
        ends, calls = time.monotonic() + seconds, 0
        while not calls or time.monotonic() < ends:
            post(own, path, {}, token)
            calls += 1
        own.close()
        return calls

    paths = [_alert(server, token, url) for url in urls]
    for path in paths:
        call(path, 0)

    def call_all() -> str:
        with ThreadPoolExecutor(_FLOODS) as pool:
            return f"{sum(pool.map(call, paths))} calls"

    return call_all


def _alert(server: PostroomServer, token: str, target: str) -> str:
    connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=60)
    inbox = member_address(1)
    alert = {
        "inbox_id": inbox,
        "events": ["message.received"],
        "delivery": {"type": "webhook", "target": target},
    }
    made = post(connection, "/v1/alerts/", alert, token)
    connection.close()
    return f"/v1/alerts/{made['alert_id']}/test/?inbox_id={inbox}"


@contextlib.contextmanager
def _flooding() -> Iterator[int]:
    """The port of an endpoint that sends 103 for ever."""
    ready: list[int] = []
    began, loop = threading.Event(), asyncio.new_event_loop()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                writer.write(_HINT)
                await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        ready.append(server.sockets[0].getsockname()[1])
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()

    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    began.wait()
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
