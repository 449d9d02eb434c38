"""The authentication service that Postfix asks about names and passwords, as Dovecot speaks it.

Rules: PLAIN only, one name with its password, on loopback; every other is refused.
"""

from __future__ import annotations

import base64
import contextlib
import socketserver
import threading
from collections.abc import Iterator

NAME, PASSWORD = "postroom", "open sesame"


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        hello = (
            "VERSION\t1\t2",
            "MECH\tPLAIN\tplaintext",
            "SPID\t1",
            "CUID\t1",
            "COOKIE\t00",
            "DONE",
        )
        self._say(*hello)
        for raw in self.rfile:
            words = raw.decode().rstrip("\n").split("\t")
            if words[0] != "AUTH":
                continue
            given = next((one[5:] for one in words if one.startswith("resp=")), "")
            _, name, password = base64.b64decode(given).decode().split("\0")
            is_right = (name, password) == (NAME, PASSWORD)
            self._say(
                f"OK\t{words[1]}\tuser={name}" if is_right else f"FAIL\t{words[1]}\tuser={name}"
            )

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def sasl_service() -> Iterator[str]:
    """Run the service; what Postfix's `smtpd_sasl_path` says of it."""
    with _Server(("127.0.0.1", 0), _Session) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield f"inet:127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)
