"""HTTP as uvicorn speaks it, with the connection at hand for who has to cut it.

ASGI has no word for "drop this client": a response that ends waits until everything is taken. A
stream of events must not wait for who does not read.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from admin_api.event_stream import CONNECTION


class HttpProtocol(HttpToolsProtocol):
    """Tells each call of its connection, as an extension of the scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"transport": self.transport}}
