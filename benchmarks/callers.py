"""The waits of other callers and of mail beside one that costs as much as it may.

Rules kept here:
- The light caller has an inbox and a token of its own; it waits for each answer before the next
  call. Seconds are those of the client, and so is the time from the dot to the 250.
- Beside it: 12 callers of lists over a book of 20,000 contacts, 400 waiting calls of 20 tokens, and
  a file of cards that all join one large card.
- The limit on calls is raised, for nothing else could be measured at this pace.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import wire
from benchmarks.calls import UNLIMITED, connected, get
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.plan import KIB, Plan
from benchmarks.postroom_server import PostroomServer, copy_store, make_token, run_postroom
from benchmarks.servers import list_address, member_address

_HEAVY = 12
_BOOK = 20_000
_POLLS = 400
_POLLS_OF_A_TOKEN = 20
_CALLS = 300
_LETTERS = 100
_PATIENCE = 600.0
_SCOPES = "email:read,contacts:read,contacts:write"


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Time a light caller and mail, alone and beside each kind of heavy one."""
    data = copy_store(prepared, directory / "callers")
    heavy, light = (make_token(data, member_address(number), _SCOPES) for number in (1, 2))
    polling = [
        make_token(data, member_address(3), _SCOPES) for _ in range(_POLLS // _POLLS_OF_A_TOKEN)
    ]
    with run_postroom(data, settings=UNLIMITED) as server:
        tell("callers: filling a book")
        _import(server, heavy, _book())
        alone = _light(server, light)
        tell("callers: heavy lists")
        with _pressing(server, [heavy] * _HEAVY, "/v1/contacts/?q=person&limit=200"):
            lists = _light(server, light)
        tell("callers: waiting calls")
        waiting = [token for token in polling for _ in range(_POLLS_OF_A_TOKEN)]
        with _pressing(server, waiting, "/v1/messages/wait/?subject=never&timeout=10"):
            polls = _light(server, light)
        tell("callers: an import made to hurt")
        with _importing(server, heavy):
            beside, letters = _light(server, light), _letters(server)
    return [
        _figure("a light list, alone", alone),
        _figure(f"a light list beside {_HEAVY} heavy ones", lists, at_most=300),
        _figure(f"a light list beside {_POLLS} waiting calls", polls, at_most=300),
        _figure("a light list beside an import made to hurt", beside, at_most=1000),
        _figure("250 beside an import made to hurt", letters, at_most=1000),
    ]


def _figure(what: str, seconds: Sequence[float], *, at_most: float | None = None) -> Figure:
    return Figure(f"{what}, p99", percentile(seconds, 99) * 1000, "ms", at_most=at_most)


def _light(server: PostroomServer, token: str) -> list[float]:
    seconds = []
    with connected(server, timeout=_PATIENCE) as connection:
        for _ in range(_CALLS):
            began = time.perf_counter()
            get(connection, "/v1/messages/?limit=50", token)
            seconds.append(time.perf_counter() - began)
    return seconds


def _letters(server: PostroomServer) -> list[float]:
    seconds = []
    with wire.Client(server.smtp, timeout=60) as client:
        for number in range(_LETTERS):
            content = wire.message(number, 10 * KIB)
            seconds.append(client.send(list_address(1), content))
    return seconds


@contextlib.contextmanager
def _pressing(server: PostroomServer, tokens: Sequence[str], path: str) -> Iterator[None]:
    """One thread for each token asks for `path` again and again."""
    ended = threading.Event()

    def press(token: str) -> None:
        with connected(server, timeout=_PATIENCE) as connection:
            while not ended.is_set():
                get(connection, path, token, expected=(200, 204))

    threads = [threading.Thread(target=press, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def _importing(server: PostroomServer, token: str) -> Iterator[None]:
    """The file is sent again and again, each time with something new in it."""
    ended = threading.Event()

    def press() -> None:
        number = 0
        while not ended.is_set():
            _import(server, token, _hurting(number))
            number += 1

    thread = threading.Thread(target=press)
    thread.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _book() -> bytes:
    return b"".join(
        b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Person %d\r\nEMAIL:p%d@x.test\r\nEND:VCARD\r\n" % (n, n)
        for n in range(_BOOK)
    )


def _hurting(number: int) -> bytes:
    """Cards that all join one, which grows: each has a thousand lines that it has not."""
    cards = []
    for card in range(40):
        lines = b"".join(b"X-A%d-%d-%d:y\r\n" % (number, card, line) for line in range(1_000))
        head = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Hurt\r\nEMAIL:hurt%d@x.test\r\n" % number
        cards.append(head + lines + b"END:VCARD\r\n")
    return b"".join(cards)


def _import(server: PostroomServer, token: str, file: bytes) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/vcard"}
    with connected(server, timeout=_PATIENCE) as connection:
        connection.request("POST", "/v1/contacts/import/", body=file, headers=headers)
        answer = connection.getresponse()
        answer.read()
    if answer.status != 200:
        raise BenchmarkFault(f"import: {answer.status}")
