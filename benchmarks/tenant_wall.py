"""The cost of row-level security on PostgreSQL: CPU with the wall up and down, in turns.

Rules kept here:
- One server, one store, one run: only the wall is turned on and off between two measurements.
- CPU is that of the gateway and of the database together, until both are quiet: work behind a 250
  and behind an answer counts. It says more than seconds on a machine that others use.
- The store belongs to a plain role, since a superuser is not bound.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from benchmarks import load, proc
from benchmarks.calls import UNLIMITED, connected, get
from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan
from benchmarks.postgresql import running_cluster
from benchmarks.postroom_server import PostroomServer, make_token, prepare_store, run_postroom
from benchmarks.servers import list_address, member_address

_MESSAGES = 400
_CALLS = 200
_PATIENCE = 30.0
_QUIET_SECONDS = 10.0
_AT_MOST = 1.03
_PATHS = {
    "a list of 50 messages": "/v1/messages/?limit=50",
    "a list of 50 threads": "/v1/messages/threads/?limit=50",
    "a list of 50 threads of the inbox folder": "/v1/messages/threads/?limit=50&folder=inbox",
    "counts": f"/v1/inboxes/{member_address(1)}/counts/",
}

_WALLED = "SELECT DISTINCT tablename FROM pg_policies WHERE policyname = 'tenant_wall'"


def measure(
    _prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Return what mail, lists and lists of threads cost with the wall, next to without."""
    place = directory / "tenant-wall"
    with running_cluster(place) as url, psycopg.connect(url, autocommit=True) as operator:
        operator.execute("CREATE ROLE bench LOGIN")
        operator.execute("CREATE DATABASE bench OWNER bench")
        store = url.replace("/postgres?", "/bench?").replace("user=postgres", "user=bench")
        settings = {"POSTROOM_STORE": store, **UNLIMITED}
        data = place / "postroom"
        tell("tenant wall: preparing a store")
        prepare_store(data, [5], settings=settings)
        token = make_token(data, member_address(1), "email:read", settings=settings)
        database = int((place / "data" / "postmaster.pid").read_text().split()[0])
        with (
            psycopg.connect(store, autocommit=True) as owner,
            run_postroom(data, settings=settings) as server,
        ):
            kinds = {what: partial(_get, server, path, token) for what, path in _PATHS.items()}
            kinds = {"a message to 5": partial(_mail, server), **kinds}
            _mail(server)
            return [
                _figure(
                    what,
                    use,
                    owner,
                    roots=[server.pid, database],
                    runs=plan.runs,
                    tell=tell,
                )
                for what, use in kinds.items()
            ]


def _figure(
    what: str,
    use: Callable[[], int],
    owner: psycopg.Connection,
    *,
    roots: list[int],
    runs: int,
    tell: Callable[[str], None],
) -> Figure:
    spent: dict[bool, list[float]] = {True: [], False: []}
    for run in range(runs + 1):
        for is_up in (True, False) if run % 2 else (False, True):
            tell(f"tenant wall: {what}, {'up' if is_up else 'down'}")
            for (table,) in owner.execute(_WALLED).fetchall():
                how = "ENABLE" if is_up else "DISABLE"
                owner.execute(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY".encode())
            _settle(roots)
            before = _cpu(roots)
            times = use()
            _settle(roots)
            if run:  # the first makes connections, plans and caches
                spent[is_up].append((_cpu(roots) - before) / times * 1000)
    up, down = (statistics.median(spent[is_up]) for is_up in (True, False))
    return Figure(
        f"CPU of {what}, behind row-level security",
        up / down,
        "times that without",
        at_most=_AT_MOST,
        note=f"{up:.2f} and {down:.2f} ms, gateway and database together",
    )


def _cpu(roots: list[int]) -> float:
    return sum(map(proc.cpu_seconds, roots))


def _settle(roots: list[int]) -> None:
    for root in roots:
        proc.wait_quiet(root, timeout=_QUIET_SECONDS)


def _mail(server: PostroomServer) -> int:
    load.send(server.smtp, load.Load(list_address(5), _MESSAGES, 10 * KIB), timeout=300.0)
    return _MESSAGES


def _get(server: PostroomServer, path: str, token: str) -> int:
    with connected(server, timeout=_PATIENCE) as connection:
        for _ in range(_CALLS):
            get(connection, path, token)
    return _CALLS
