"""The cost of TLS at 10 KB and five members, and how honest mail fares beside slow clients.

Rules kept here:
- The load generator of the other parts speaks no TLS: ten sessions of a client in Python, in two
  processes, send to each server alike. The client's own cost is in every rate.
- With kept connections Postroom is compared with itself, in turn with and without STARTTLS; with a
  new connection (TLS 1.3, no resumption) for each message, with Postfix.
- As in `throughput`, the clock stops when the last copy is in its mailbox.
- Slow clients: a thousand sockets from twenty addresses, none exempt, send an octet of a command
  every five seconds and come again when they are closed.
"""

import asyncio
import contextlib
import os
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks import proc, wire
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.plan import KIB, MIB, Plan
from benchmarks.postfix_server import run_postfix
from benchmarks.postroom_server import copy_store, run_postroom
from benchmarks.servers import Endpoint, MailServer, list_address

_MEMBERS = 5
_SIZE = 10 * KIB
_PROCESSES = 2
_SESSIONS = 5  # of each process
_MESSAGES = 100  # of each session, on kept connections
_NEW_MESSAGES = 30  # of each session, on a connection each
_SLOW = 1000
_SLOW_ADDRESSES = 20
_SLOW_PAUSE = 5.0
_HONEST = 500
_HONEST_KEPT = 25
_NOBODY = "192.0.2.0/24"
_SETTLE_SECONDS = 300.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """The ratios and the slow clients; `plan.runs` times each."""
    chain, key = _certificate(directory)
    settings = {"POSTROOM_TLS_CERTIFICATE": str(chain), "POSTROOM_TLS_KEY": str(key)}
    data = copy_store(prepared, directory / "tls")
    with run_postroom(data, settings=settings) as ours:
        tell("tls: kept connections")
        kept = _in_turn([(ours, False, True), (ours, True, True)], plan.runs)
        tell("tls: a new connection for each message")
        main_cf = {
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{key}, {chain}",
        }
        with run_postfix(directory / "tls-postfix", [_MEMBERS], main_cf) as theirs:
            new = _in_turn([(theirs, True, False), (ours, True, False)], plan.runs)
    return [
        _ratio("10 KB, N=5, kept connections: time with STARTTLS", kept, 0.85, "times without"),
        _ratio("10 KB, N=5, a new TLS 1.3 connection each: time", new, 0.6, "times Postfix's"),
        *_beside_slow_clients(prepared, directory, tell=tell),
    ]


def _ratio(what: str, rates: Sequence[Sequence[float]], least: float, unit: str) -> Figure:
    compared, measured = map(statistics.median, rates)
    note = f"{measured:.0f} and {compared:.0f} msg/s: {measured / compared:.2f} of the rate"
    return Figure(what, compared / measured, unit, at_most=1 / least, note=note)


def _in_turn(kinds: Sequence[tuple[MailServer, bool, bool]], runs: int) -> list[list[float]]:
    """The rates of each kind, (server, with TLS, connections are kept), after one to warm up."""
    rounds = [[_rate(*kind) for kind in kinds] for _ in range(runs + 1)][1:]
    return [list(rates) for rates in zip(*rounds, strict=True)]


def _rate(server: MailServer, with_tls: bool, keep: bool) -> float:
    os.sync()
    count = _MESSAGES if keep else _NEW_MESSAGES
    copies, work = server.copies(), partial(_client, server.smtp, with_tls, keep, count)
    # Forked, a client would hold what this process has open.
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(abs, range(_PROCESSES)))  # started before the clock is
        began = time.perf_counter()
        list(pool.map(work, range(_PROCESSES)))
        server.settle(timeout=_SETTLE_SECONDS)
        seconds = time.perf_counter() - began
    sent = count * _SESSIONS * _PROCESSES
    assert server.copies() - copies == sent * _MEMBERS, f"{server.name} has lost or doubled mail"
    return sent / seconds


def _client(target: Endpoint, with_tls: bool, keep: bool, count: int, number: int) -> None:
    session = partial(_session, target, with_tls, keep, count)
    with ThreadPoolExecutor(_SESSIONS) as threads:
        list(threads.map(session, range(number * _SESSIONS, (number + 1) * _SESSIONS)))


def _session(target: Endpoint, with_tls: bool, keep: bool, count: int, number: int) -> None:
    per_connection, context = count if keep else 1, _context()
    for first in range(0, count, per_connection):
        with wire.Client(target) as client:
            if with_tls:
                client.start_tls(context)
            for place in range(first, first + per_connection):
                content = wire.message(number * count + place, _SIZE)
                client.send(list_address(_MEMBERS), content)
            client.command("QUIT", 221)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading the CAs would cost most of the time
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _certificate(directory: Path) -> tuple[Path, Path]:
    chain, key = directory / "chain.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "30"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=mx.bench.test", "-keyout", str(key), "-out", str(chain)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return chain, key


def _beside_slow_clients(
    prepared: Path, directory: Path, *, tell: Callable[[str], None]
) -> list[Figure]:
    tell(f"tls: {_SLOW:,} slow sockets")
    data = copy_store(prepared, directory / "slow")
    with run_postroom(data, settings={"POSTROOM_EXEMPT_NETWORKS": _NOBODY}) as server:
        _honest(server.smtp, 50)
        proc.wait_quiet(server.pid, timeout=60)
        baseline = proc.pss_bytes(server.pid)
        with (
            proc.PeakMemory(server.pid, interval=0.25) as memory,
            _slow_clients(server.smtp) as opened,
        ):
            waited = _honest(server.smtp, _HONEST)
            note = f"{len(waited)} messages, {opened[0]:,} connections made"
    return [
        Figure(
            f"250 beside {_SLOW:,} slow sockets, p99",
            percentile(waited, 99) * 1000,
            "ms",
            200,
            note,
        ),
        Figure(f"{_SLOW:,} slow sockets: memory", (memory.peak - baseline) / MIB, "MiB", 24),
    ]


def _honest(target: Endpoint, count: int) -> list[float]:
    """Seconds of whole transactions; each connection is kept for some, as a mail server's is."""
    waited = []
    for first in range(0, count, _HONEST_KEPT):
        with wire.Client(target) as client:
            for number in range(first, first + _HONEST_KEPT):
                content, began = wire.message(number, _SIZE), time.perf_counter()
                client.send(list_address(_MEMBERS), content)
                waited.append(time.perf_counter() - began)
    return waited


@contextlib.contextmanager
def _slow_clients(target: Endpoint) -> Iterator[list[int]]:
    """Keep the slow sockets open meanwhile, from a thread; how many were opened."""
    opened, ready, ended = [0], threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_drip(target, opened, ready, ended)))
    thread.start()
    try:
        ready.wait(60)
        yield opened
    finally:
        ended.set()
        thread.join()


async def _drip(
    target: Endpoint, opened: list[int], ready: threading.Event, ended: threading.Event
) -> None:
    async def one(number: int) -> None:
        source = (f"127.0.1.{1 + number % _SLOW_ADDRESSES}", 0)
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(*target, local_addr=source)
                opened[0] += 1
                try:
                    while not writer.is_closing():
                        writer.write(b"E")
                        await asyncio.sleep(_SLOW_PAUSE)
                        await writer.drain()
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(one(number)) for number in range(_SLOW)]
    while not ended.is_set():
        await asyncio.sleep(0.1)
        if opened[0] >= _SLOW:
            ready.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
