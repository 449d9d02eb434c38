"""HTTP as uvicorn speaks it, with the connection at hand for who has to cut it.

- ASGI has no word for "drop this client": a response that ends waits until everything is taken. A
  stream of events must not wait for who does not read.
- What is no HTTP gets a problem document like every other fault, and the connection is closed. Into
  a response that has begun nothing is written.
"""

from __future__ import annotations

import logging

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from admin_api.answers import common_headers
from admin_api.event_stream import CONNECTION
from admin_api.problems import Problem, response_of
from config.logs import event

logger = logging.getLogger("postroom.http")


class HttpProtocol(HttpToolsProtocol):
    """Tells each call of its connection, as an extension of the scope; refuses what is no HTTP."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"transport": self.transport}}

    def send_400_response(self, msg: str) -> None:
        """For what the parser cannot read; `msg`, in uvicorn's words, is not shown."""
        if not _is_answering(self.cycle):
            self.transport.write(_refusal())
        self.transport.close()


def _is_answering(cycle: RequestResponseCycle | None) -> bool:
    """Whether a response has begun and not ended; without any request yet there is no cycle."""
    return cycle is not None and cycle.response_started and not cycle.response_complete


def _refusal() -> bytes:
    response = response_of(Problem(400, "malformed_request", "This is no HTTP request."))
    response.headers.update(common_headers() | {"Connection": "close"})
    event(logger, "http_malformed", request=response.headers["X-Request-Id"])
    fields = [b"%s: %s\r\n" % field for field in response.raw_headers]
    return b"".join([b"HTTP/1.1 400 Bad Request\r\n", *fields, b"\r\n", bytes(response.body)])
