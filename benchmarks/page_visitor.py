"""Somebody at the page without a browser: signs in, asks for pages, follows the live stream.

Rules kept here:
- Everything is asked as a browser asks: cookie, Sec-Fetch-Site, gzip, one connection kept.
- A watcher does what a tab does: one stream, and the rows anew at most every 0.43 s, less often
  where answers take long (see live.js).
"""

import contextlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from benchmarks.faults import BenchmarkFault
from benchmarks.postroom_server import PostroomServer

_BETWEEN, _LONGEST, _SHARE = 0.43, 4.0, 4
_TIMEOUT = 120.0
_BLOCK = 1 << 16
_AT, _LONGEST_AT = b'"at":"', 100
_IDLE = 2.0


@dataclass
class Visitor:
    """A session of the page; `secret` is in its cookie, `token` in its forms."""

    server: PostroomServer
    secret: str = ""
    token: str = ""
    connection: http.client.HTTPConnection = field(init=False)
    asked: float = 0.0

    def __post_init__(self) -> None:
        self.connection = self.connect()

    @property
    def cookie(self) -> str:
        return f"postroom-{self.server.http.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.server.http.host}:{self.server.http.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.server.http, timeout=_TIMEOUT)

    def headers(self) -> dict[str, str]:
        named = {"Sec-Fetch-Site": "same-origin", "Origin": self.origin}
        return named | {"Cookie": f"{self.cookie}={self.secret}"}

    def get(self, path: str) -> bytes:
        """Return a page, uncompressed; its token is remembered. Raises BenchmarkFault."""
        page = self._ask("GET", path, None, self.headers(), 200)
        found = re.search(rb'name="form-token" content="([^"]+)"', page)
        self.token = found[1].decode() if found else self.token
        return page

    def time(self, path: str, **headers: str) -> float:
        """Return the seconds that a page takes, compressed as a browser gets it."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        began = time.perf_counter()
        self._ask("GET", path, None, self.headers() | {"Accept-Encoding": "gzip"} | given, 200)
        return time.perf_counter() - began

    def post(self, path: str, fields: Mapping[str, str]) -> None:
        """Send a form. Raises BenchmarkFault unless it leads on."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"form_token": self.token, **fields})
        self._ask("POST", path, body, self.headers() | form, 303)

    def _ask(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str], status: int
    ) -> bytes:
        if time.monotonic() - self.asked > _IDLE:  # the server may have closed it
            self.connection.close()
        self.asked = time.monotonic()
        self.connection.request(method, path, body, dict(headers))
        response = self.connection.getresponse()
        text = response.read()
        if response.status != status:
            raise BenchmarkFault(f"{method} {path}: {response.status} {text[:200]!r}")
        for cookie in response.headers.get_all("Set-Cookie") or []:
            if cookie.startswith(self.cookie):
                self.secret = cookie.partition("=")[2].partition(";")[0]
        return text


def sign_in(server: PostroomServer, email: str, password: str) -> Visitor:
    """Return a new session of the page."""
    made = Visitor(server)
    made.post("/console/sign-in/", {"email": email, "password": password})
    return made


@contextlib.contextmanager
def _stream(visitor: Visitor, inbox_id: str) -> Iterator[http.client.HTTPResponse]:
    """Open one live stream; its connection is the response's, so the socket itself is closed."""
    connection = visitor.connect()
    connection.connect()
    opened = connection.sock
    try:
        connection.request("GET", f"/console/live/?inbox={inbox_id}", headers=visitor.headers())
        response = connection.getresponse()
        if response.status != 200:
            raise BenchmarkFault(f"live stream: {response.status}")
        yield response
    finally:
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        opened.close()


@contextlib.contextmanager
def streaming(visitor: Visitor, inbox_id: str, count: int) -> Iterator[None]:
    """Hold open that many live streams, of which nothing is read."""
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(_stream(visitor, inbox_id))
        yield


@contextlib.contextmanager
def watching(visitors: Sequence[Visitor], inbox_id: str, path: str) -> Iterator[None]:
    """Each visitor follows `path` as an open tab does; all streams are open before the work."""
    ended, opened = threading.Event(), threading.Barrier(len(visitors) + 1, timeout=_TIMEOUT)
    threads = [
        threading.Thread(target=_watch, args=(one, inbox_id, path, opened, ended), daemon=True)
        for one in visitors
    ]
    for thread in threads:
        thread.start()
    opened.wait()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(_TIMEOUT)


def _watch(
    visitor: Visitor,
    inbox_id: str,
    path: str,
    opened: threading.Barrier,
    ended: threading.Event,
) -> None:
    changed, newest = threading.Event(), ""
    with _stream(visitor, inbox_id) as response:
        response.readline()  # of `hello`
        opened.wait()

        def read() -> None:
            nonlocal newest
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                # As much as there is at once: what follows the mail must not cost what it measures.
                kept = b""
                while block := response.read1(_BLOCK):
                    kept = kept[-_LONGEST_AT:] + block
                    if (begins := kept.rfind(_AT)) >= 0:
                        value, end, _ = kept[begins + len(_AT) :].partition(b'"')
                        if end:
                            newest = value.decode()
                            changed.set()

        threading.Thread(target=read, daemon=True).start()
        while not ended.is_set():
            if changed.wait(0.1):
                changed.clear()
                seconds = visitor.time(f"{path}?follow={newest}", HX_Request="true")
                wanted = min(_LONGEST, max(_BETWEEN, _SHARE * seconds))
                ended.wait(wanted - seconds)
