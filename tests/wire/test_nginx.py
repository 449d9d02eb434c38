"""The API behind a real nginx, with the lines of docs/http.md: by TCP and by a unix socket."""

import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import cast

import pytest

from tests.programs import need
from tests.support.certificates import certificate
from tests.support.fixtures import MakeServer
from tests.support.mailbox import Api, Record
from tests.support.patience import HANG_SECONDS
from tests.support.server import ROOT, Server, quiet_port

PAGE = ROOT / "docs" / "http.md"
WHOLE = """
daemon off;
error_log stderr warn;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


TCP = "proxy_pass http://127.0.0.1:8025;"


def lines_of_the_page(heading: str) -> str:
    """Return the indented block under the heading."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("    "))


@pytest.fixture(params=["by TCP", "by a unix socket"])
def server(own_server: MakeServer, request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    settings = {"metrics_token": "secret"}
    if request.param == "by TCP":
        return own_server(settings | {"trusted_proxies": "127.0.0.1"})
    return own_server(settings, http=f"127.0.0.1:0,unix:{tmp_path / 'http'}")


@pytest.fixture
def front(server: Server, tmp_path: Path) -> Iterator[int]:
    """Run nginx in front of the server; its port."""
    path = tmp_path / "http"
    to_server = TCP.replace("http://127.0.0.1:8025", server.demo.http)
    if path.is_socket():
        to_server = lines_of_the_page("On a unix socket").strip()
        assert "/run/postroom/http" in to_server
        to_server = to_server.replace("/run/postroom/http", str(path))
    nginx = need("nginx", "nginx")
    port = int(quiet_port().rpartition(":")[2])
    with tempfile.TemporaryDirectory(prefix="postroom-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        chain, key = certificate(folder, name="mail.example.com")
        lines = lines_of_the_page("nginx")
        for old, new in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/ssl/mail.example.com.pem", str(chain)),
            ("/etc/ssl/mail.example.com.key", str(key)),
            (TCP, to_server),
        ):
            assert old in lines, f"the page has no {old}"
            lines = lines.replace(old, new)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(user + WHOLE.format(folder=folder, server=lines))
        running = subprocess.Popen(
            [nginx, "-p", name, "-c", f"{name}/nginx.conf"], stderr=subprocess.PIPE
        )
        try:
            _await_port(port, running)
            yield port
        finally:
            running.terminate()
            running.communicate(timeout=20)


def _await_port(port: int, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while running.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(running.stderr.read() if running.stderr else "")


def connect(port: int) -> HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, context=context, timeout=20)


def test_calls_streams_and_sizes_pass_through(server: Server, front: int) -> None:
    token = server.demo.inboxes[0]["token"]
    bearer = {"Authorization": f"Bearer {token}", "Host": "mail.example.com"}
    calls = connect(front)
    calls.request("GET", "/v1/messages/", headers=bearer)
    answer = calls.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["results"] == []

    # A stream shows an event at once, though it goes on.
    stream = connect(front)
    stream.request("GET", "/v1/events/stream/", headers=bearer)
    events = stream.getresponse()
    assert events.status == 200
    with server.client() as client:
        assert client.deliver(b"Subject: x\r\n\r\nx\r\n", ["team@example.test"]).code == 250
    seen = b""
    while not re.search(rb"event: message\.received", seen):
        line = events.readline()
        assert line, seen
        seen += line
    stream.close()

    # What is too large for Postroom is Postroom's to refuse, not nginx's one MiB.
    body = b"x" * (2 << 20)
    calls.request("POST", "/v1/templates/", body, bearer | {"Content-Type": "application/json"})
    answer = calls.getresponse()
    assert answer.status in (403, 413)
    assert b"problem" in (answer.getheader("Content-Type") or "").encode()
    calls.close()


def test_the_client_cannot_choose_its_address(server: Server, front: int) -> None:
    """Whatever a caller claims, it is the address that nginx sees."""
    owner = server.demo.owner
    body = json.dumps({"email": owner["email"], "password": owner["password"]})
    headers = {"Host": "mail.example.com", "Content-Type": "application/json"}
    for number in range(3):
        calls = connect(front)
        claimed = {"X-Forwarded-For": f"192.0.2.{number}"}
        calls.request("POST", "/auth/login/", body, headers | claimed)
        answer = calls.getresponse()
        assert answer.status == 200
        token = json.loads(answer.read())["access_token"]
        calls.request("GET", "/metrics", headers=headers | claimed)
        assert calls.getresponse().status == 401
        calls.close()

    with Api(server.demo.http, token) as api:
        sessions = cast(list[Record], api.get("/v1/sessions/"))
    assert len(sessions) == 3
    assert {one["address"] for one in sessions} == {"127.0.0.1"}
