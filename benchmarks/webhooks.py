"""How soon webhooks are called while many of the endpoints are dead.

Rules kept here:
- A thousand alerts on fifty inboxes, each told of one sender's mail only, so that every message is
  one event for one endpoint; a tenth of the endpoints hang, refuse, reset or drip.
- Messages come at a fixed rate, endpoint after endpoint, the dead ones among the others. The clock
  runs from the 250 until the endpoint has the whole call.
- Every call to a live endpoint has to come, and no more of them than messages.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import wire
from benchmarks.endpoints import DEAD, Endpoints, run_endpoints
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.postroom_server import PostroomServer, copy_store, make_admin, run_postroom
from benchmarks.servers import member_address

_ALERTS = 1000
_DEAD = 100
_A_SECOND = 50
_SECONDS = 24.0
_LATE_SECONDS = 5.0
_AT_MOST = 1.0
_SETTINGS = {
    "POSTROOM_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
    "POSTROOM_API_RATE_PER_MINUTE": "1000000",
    "POSTROOM_API_BURST": "100000",
}

Target = tuple[int, str]


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Set a thousand webhooks up, send mail for them, and time the calls."""
    data = copy_store(prepared, directory / "webhooks")
    password = make_admin(data)
    tell(f"webhooks: {_ALERTS} endpoints, {_DEAD} of them dead")
    inboxes = max(plan.members)
    with run_endpoints() as endpoints, run_postroom(data, settings=_SETTINGS) as server:
        targets = list(_targets())
        _subscribe(server, password, targets, endpoints, inboxes)
        accepted = _send(server, targets, inboxes)
        time.sleep(_LATE_SECONDS)
    return _figures(accepted, endpoints)


def _targets() -> Iterator[Target]:
    """The alerts by number, with how their endpoints behave: every tenth is dead."""
    every = _ALERTS // _DEAD
    for number in range(_ALERTS):
        dead, live = divmod(number, every)
        yield number, "live" if live else DEAD[dead % len(DEAD)]


def _sender(number: int) -> str:
    return f"sender{number}@client.test"


def _subscribe(
    server: PostroomServer,
    password: str,
    targets: list[Target],
    endpoints: Endpoints,
    inboxes: int,
) -> None:
    connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=30)
    login = {"email": "admin@bench.test", "password": password}
    token = post(connection, "/auth/login/", login, None)["access_token"]
    for number, kind in targets:
        alert = {
            "inbox_id": member_address(number % inboxes + 1),
            "events": ["message.received"],
            "delivery": {"type": "webhook", "target": endpoints.url(kind, number)},
            "filter": {"from": _sender(number)},
        }
        post(connection, "/v1/alerts/", alert, str(token))
    connection.close()


def post(
    connection: http.client.HTTPConnection, path: str, body: object, token: str | None
) -> Mapping[str, object]:
    """POST a JSON body under a token; the answer's object. Raises BenchmarkFault."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status not in {200, 201} or not isinstance(answer, dict):
        raise BenchmarkFault(f"POST {path}: {response.status} {answer}")
    return answer


def _send(server: PostroomServer, targets: list[Target], inboxes: int) -> dict[str, list[float]]:
    """Send at the fixed rate; by path, when each message was accepted."""
    accepted: dict[str, list[float]] = {}
    began = time.monotonic()
    with wire.Client(server.smtp) as client:
        for count in range(int(_SECONDS * _A_SECOND)):
            number, kind = targets[count % len(targets)]
            time.sleep(max(0.0, began + count / _A_SECOND - time.monotonic()))
            client.send(member_address(number % inboxes + 1), _message(number, count))
            accepted.setdefault(f"/{kind}/{number}", []).append(time.monotonic())
    return accepted


def _message(number: int, count: int) -> bytes:
    return b"From: <%s>\r\n%s" % (
        _sender(number).encode(),
        wire.message(count, 1000).partition(b"\r\n")[2],
    )


def _figures(accepted: Mapping[str, list[float]], endpoints: Endpoints) -> list[Figure]:
    delays = []
    for path, times in accepted.items():
        if path.startswith("/live/"):
            heard = endpoints.heard.get(path, [])
            if len(heard) != len(times):
                raise BenchmarkFault(f"{path} was called {len(heard)} times for {len(times)}")
            delays += [there - then for then, there in zip(times, heard, strict=True)]
    delays.sort()
    note = f"{len(delays):,} calls; p50 {delays[len(delays) // 2] * 1000:.0f} ms"
    return [
        Figure(
            f"from 250 to a webhook's call, p99, {_A_SECOND} events a second, "
            f"{_DEAD} of {_ALERTS:,} endpoints dead",
            delays[len(delays) * 99 // 100],
            "s",
            at_most=_AT_MOST,
            note=f"{note}, longest {delays[-1] * 1000:.0f} ms",
        )
    ]
