"""A whole server on unix sockets: mail, calls, commands, and files that a kill leaves behind."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.programs import need
from tests.support.fixtures import MakeServer, Servers
from tests.support.mailbox import Api, Record
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message

TEAM = "team@example.test"
CERTIFICATE = {"tls_certificate": "{certificate}", "tls_key": "{key}"}
KINDS = ("smtp", "lmtp", "smtps", "http")
# Takes systemd's place, as in `test_service_manager`: hands one unix socket over, called http.
ACTIVATE = """
import os, socket, sys
path, *command = sys.argv[1:]
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
os.execv(command[0], command)
"""


@pytest.fixture
def server(own_server: MakeServer, tmp_path: Path) -> Server:
    """A demo server that listens on ports and on four paths."""
    at = {key: f"unix:{tmp_path / key}" for key in KINDS}
    return own_server(
        CERTIFICATE | {"lmtp": at["lmtp"], "smtps": f"127.0.0.1:0,{at['smtps']}"},
        smtp=f"127.0.0.1:0,[::1]:0,{at['smtp']}",
        http=f"{at['http']},127.0.0.1:0",
    )


def curl(path: Path, call: str, *options: str) -> str:
    done = subprocess.run(
        [need("curl", "curl"), "-sS", "--unix-socket", path, f"http://localhost{call}", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def sent_by(client: SmtpClient, subject: str) -> None:
    assert client.deliver(message(subject), [TEAM]).code == 250


def test_mail_comes_in_on_each_of_them(server: Server, tmp_path: Path) -> None:
    with SmtpClient(str(tmp_path / "smtp")) as client:
        assert client.greet().code == 250
        sent_by(client, "by smtp")
    with SmtpClient(str(tmp_path / "smtps"), tls=True) as client:
        assert client.greet().code == 250
        sent_by(client, "by smtps")
    with SmtpClient(str(tmp_path / "lmtp")) as client:
        assert client.command("LHLO client.example").code == 250
        sent_by(client, "by lmtp")
    words = ("--to", TEAM, "--from", "ann@client.example", "--subject", "by send")
    done = server.postroom("send", "--server", f"unix:{tmp_path / 'smtp'}", *words)
    assert done.returncode == 0, done.stderr

    with server.mailboxes()[0] as mailbox:
        subjects = [one["subject"] for one in mailbox.newest()]
    assert sorted(subjects) == ["by lmtp", "by send", "by smtp", "by smtps"]


def test_a_peer_on_the_socket_says_who_the_client_is(server: Server, tmp_path: Path) -> None:
    """Over TCP the same words count for nothing: no proxy is trusted there."""
    path, owner = tmp_path / "http", server.demo.owner
    login = (
        *("--json", f'{{"email": "{owner["email"]}", "password": "{owner["password"]}"}}'),
        *("-H", "X-Forwarded-For: 203.0.113.9, 198.51.100.7"),
    )
    assert '"access_token"' in curl(path, "/auth/login/", *login)
    tcp = subprocess.run(
        [need("curl", "curl"), "-sS", f"{server.demo.http}/auth/login/", *login],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert b'"access_token"' in tcp.stdout
    assert '"access_token"' in curl(path, "/auth/login/", *login[:2])

    with server.owner() as api:
        sessions = cast(list[Record], api.get("/v1/sessions/"))
    assert [one["address"] for one in sessions if not one["current"]] == [
        *("198.51.100.7", "127.0.0.1", None),
    ]


def test_metrics_need_their_token_there(server: Server, tmp_path: Path) -> None:
    """A proxy need not say that it is one; who is a stranger behind it is not told."""
    assert '"status":404' in curl(tmp_path / "http", "/metrics")
    with Api(server.demo.http) as api:
        assert api.call("GET", "/metrics").status == 200


def test_paths_are_printed_and_probed_as_they_are_typed(servers: Servers, tmp_path: Path) -> None:
    at = {key: f"unix:{tmp_path / key}" for key in KINDS}
    server = servers.new({**CERTIFICATE, **at, "data": str(tmp_path / "store")})
    try:
        assert server.start_printing() == {key: [at[key]] for key in KINDS}
        done = server.postroom("ready", "--wait", "20", "--json")
        assert done.returncode == 0, done.stderr
        assert curl(tmp_path / "http", "/readyz")
        (tmp_path / "smtps").unlink()
        done = server.postroom("ready")
        assert done.stderr.splitlines() == [
            f"smtps: {at['smtps']} is not ready: No such file or directory"
        ]

        server.kill()
        assert (tmp_path / "http").is_socket()
        server.start_printing()  # over the files of the dead one
        assert curl(tmp_path / "http", "/readyz")
    finally:
        servers.stop(server)
    assert not any((tmp_path / key).exists() for key in KINDS)


def test_a_socket_of_the_service_manager_is_served_and_its_file_stays(
    servers: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "http"
    server = servers.new({"data": str(tmp_path / "store"), "smtp": f"unix:{tmp_path / 'smtp'}"})
    server.wrapper = (sys.executable, "-c", ACTIVATE, str(path))
    try:
        assert server.start_printing()["http"] == [f"unix:{path}"]
        assert '"status":404' in curl(path, "/metrics")
    finally:
        servers.stop(server)
    assert path.is_socket()


def test_a_path_where_somebody_listens_is_named(servers: Servers, tmp_path: Path) -> None:
    path = tmp_path / "http"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        words = ["serve", "--data", str(tmp_path / "store")]
        own = {"POSTROOM_SMTP": "127.0.0.1:0", "POSTROOM_HTTP": f"unix:{path}"}
        done = servers.warm.run(words, {**os.environ, **own}, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"http: cannot listen on unix:{path}: Address already in use;"
        " stop what listens there, or set `http` to another path"
    )


def test_the_demo_needs_a_port_for_its_browser(servers: Servers, tmp_path: Path) -> None:
    words = ["demo", "--smtp", f"unix:{tmp_path / 's'}", "--http", f"unix:{tmp_path / 'h'}"]
    done = servers.warm.run(words, {**os.environ}, timeout=60)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["smtp", "http"]
