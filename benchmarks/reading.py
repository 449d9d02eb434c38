"""The cost of listing and searching in an inbox that is full.

Rules kept here:
- One connection, kept; each call waits for the answer before. Seconds are those of the client.
- The words looked for are one that every message has and one that none has: neither may cost more
  for the size of the inbox.
- Threads are listed whole, by folder and by marks that few copies have; counts are those of a page.
- The limit on calls is raised, for nothing else could be measured at this pace.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.calls import UNLIMITED, connected, get
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.postroom_server import PostroomServer, make_token, run_postroom
from benchmarks.servers import member_address

_CALLS = 500
_PATH = "/v1/messages/"
_THREADS = "/v1/messages/threads/"
_SETTLE_SECONDS = 900.0
_PATIENCE = 30.0

_LISTING: Mapping[str, str] = {"limit": "50"}
_SEARCHES: Mapping[str, Mapping[str, str]] = {
    "a word of every message": {"q": "from:sender", "limit": "50"},
    "a word of none": {"q": "nowhere", "limit": "50"},
}
_VIEWS: Mapping[str, Mapping[str, str]] = {
    "list 50 threads": {"limit": "50"},
    "list 50 threads of the inbox folder": {"limit": "50", "folder": "inbox"},
    "list 50 unread threads": {"limit": "50", "unread": "true"},
    "list flagged threads, of which there is none": {"limit": "50", "flagged": "true"},
    "list 50 threads by q=is:open assigned:none": {"limit": "50", "q": "is:open assigned:none"},
}


def measure(data: Path, stored: int, *, tell: Callable[[str], None]) -> list[Figure]:
    """Time the calls on a store whose first member has `stored` messages."""
    token = make_token(data, member_address(1), "email:read")
    label = f"in {stored:,} messages"
    with run_postroom(data, settings=UNLIMITED) as server:
        tell("reading: waiting for the parser")
        wait_parsed(server, token)
        tell("reading: listing")
        figures = [_figure(server, token, f"list 50 {label}, p99", _LISTING, at_most=20)]
        for what, query in _SEARCHES.items():
            tell(f"reading: search for {what}")
            name = f"search for {what} {label}, p99"
            figures.append(_figure(server, token, name, query, at_most=60))
        for what, query in _VIEWS.items():
            tell(f"reading: {what}")
            name = f"{what} {label}, p99"
            figures.append(_figure(server, token, name, query, at_most=25, path=_THREADS))
        tell("reading: counts")
        counts = f"/v1/inboxes/{member_address(1)}/counts/"
        figures.append(_figure(server, token, f"counts {label}, p99", {}, at_most=20, path=counts))
    return figures


def _figure(
    server: PostroomServer,
    token: str,
    what: str,
    query: Mapping[str, str],
    *,
    at_most: float,
    path: str = _PATH,
) -> Figure:
    path = f"{path}?{urlencode(query)}"
    seconds = []
    with connected(server, timeout=_PATIENCE) as connection:
        for _ in range(_CALLS):
            began = time.perf_counter()
            answer = get(connection, path, token)
            seconds.append(time.perf_counter() - began)
    found = len(json.loads(answer).get("results", ()))
    middle = percentile(seconds, 50) * 1000
    note = f"p50 {middle:.1f} ms, {found} found, {_CALLS} calls"
    return Figure(what, percentile(seconds, 99) * 1000, "ms", at_most=at_most, note=note)


def wait_parsed(server: PostroomServer, token: str) -> None:
    """Until the newest message is parsed, which is the last one in the parser's queue."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    with connected(server, timeout=_PATIENCE) as connection:
        while time.monotonic() < deadline:
            newest = json.loads(get(connection, f"{_PATH}?limit=1", token))["results"][0]
            message = json.loads(get(connection, f"{_PATH}{newest['message_id']}/", token))
            if message["parse_status"] != "pending":
                return
            time.sleep(1.0)
    raise BenchmarkFault(f"the parser was not done after {_SETTLE_SECONDS:.0f} s")
