"""Reading copies back over HTTP, as one inbox sees them.

One kept connection per reader; opened again when the server was restarted in between.
"""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote, urlencode, urlsplit

Record = dict[str, Any]  # one JSON object; the border of the wire

# What the receiving side puts before the bytes it was sent, in this order and folded or not.
TRACE = re.compile(
    rb"\AReturn-Path:[^\r\n]*\r\n"
    rb"(?:Delivered-To:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n)+"
    rb"Received:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n\Z"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of one call."""

    status: int
    body: bytes

    def json(self) -> Record:
        return cast(Record, json.loads(self.body))


class Api:
    """The HTTP API under one credential, or under none."""

    def __init__(self, base: str, token: str | None = None, *, timeout: float = 20.0) -> None:
        parts = urlsplit(base)
        self.connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=timeout
        )
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def call(self, method: str, path: str, body: Record | None = None) -> Answer:
        """Make one call, once more on a fresh connection when the kept one had died."""
        try:
            return self._call(method, path, body)
        except (http.client.HTTPException, ConnectionError):
            self.connection.close()
            return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Record | None) -> Answer:
        payload = None if body is None else json.dumps(body).encode()
        headers = dict(self.headers)
        if payload is not None:
            headers["Content-Type"] = "application/json"
        try:
            self.connection.request(method, path, payload, headers)
            response = self.connection.getresponse()
            return Answer(response.status, response.read())
        except TimeoutError:
            self.connection.close()
            raise

    def get(self, path: str, **query: str | int) -> Record:
        answer = self.call("GET", f"{path}?{urlencode(query)}" if query else path)
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.body!r}"
        return answer.json()

    def login(self, email: str, password: str) -> None:
        answer = self.call("POST", "/auth/login/", {"email": email, "password": password})
        assert answer.status == 200, answer
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}


class Mailbox(Api):
    """One inbox, read with its token."""

    def __init__(self, base: str, address: str, token: str) -> None:
        super().__init__(base, token)
        self.address = address

    def newest(self, count: int = 50) -> list[Record]:
        results: list[Record] = self.get("/v1/messages/", limit=count)["results"]
        return results

    def newest_id(self) -> str | None:
        found = self.newest(1)
        return found[0]["message_id"] if found else None

    def since(self, marker: str | None) -> list[Record]:
        """Return the copies newer than the message `marker`, newest first."""
        fresh: list[Record] = []
        for item in self.every(first=5):
            if item["message_id"] == marker:
                break
            fresh.append(item)
        return fresh

    def every(self, *, first: int = 200) -> Iterator[Record]:
        """Yield every copy in the inbox folder, newest first, page by page."""
        query: dict[str, str | int] = {"limit": first}
        while True:
            found = self.get("/v1/messages/", **query)
            yield from found["results"]
            if found["cursor"] is None:
                return
            query = {"limit": 200, "cursor": found["cursor"]}

    def raw(self, message_id: str) -> bytes:
        answer = self.call("GET", f"/v1/messages/{quote(message_id)}/raw/")
        assert answer.status == 200, answer
        return answer.body

    def content(self, message_id: str, expected_size: int) -> bytes:
        """Return the last `expected_size` octets, once what is before them is trace and no more."""
        raw = self.raw(message_id)
        trace, content = split_trace(raw, expected_size)
        assert TRACE.match(trace), f"before the content: {trace[-2000:]!r}"
        return content


def split_trace(raw: bytes, content_size: int) -> tuple[bytes, bytes]:
    """Cut a copy into its trace fields and the content of the given size."""
    border = len(raw) - content_size
    assert border >= 0, f"the copy has {len(raw)} octets, the content had {content_size}"
    return raw[:border], raw[border:]
