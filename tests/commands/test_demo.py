"""The demonstration: everything a newcomer needs, printed once, and true."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.accounts.tokens import SCOPES
from tests.commands.operator import Operator, type_alone
from tests.programs import need
from tests.support.fixtures import MakeServer, Servers
from tests.support.mailbox import Api, Mailbox
from tests.support.pages import VARIABLES
from tests.support.server import ROOT, Server
from tests.support.smtp import message

FREE = ["--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
END = "Ctrl-C ends the demo."
typed = pytest.mark.xdist_group("what the demo printed")  # one demo for all


def test_the_demo_tells_what_it_made(own_server: MakeServer) -> None:
    server = own_server()
    demo = server.demo

    assert (demo.team, demo.domain) == ("team@example.test", "example.test")
    assert set(demo.owner) == {"email", "password", "user_id"}
    assert [set(inbox) for inbox in demo.inboxes] == [{"inbox_id", "address", "token"}] * 3
    assert [inbox["address"] for inbox in demo.inboxes] == [
        "sales@example.test", "support@example.test", "agent@example.test",
    ]  # fmt: skip
    operator = Operator(server.store)
    (tenant,) = operator.ask_all("tenant", "list")
    assert (tenant["tenant_id"], tenant["name"]) == (demo.tenant_id, "Example")
    owned = {
        inbox["address"]: inbox["owner_user_id"] for inbox in operator.ask_all("inbox", "list")
    }
    assert owned["support@example.test"] == demo.owner["user_id"]
    assert len(set(owned.values())) == 3


def test_each_person_has_a_link_into_the_page(own_server: MakeServer) -> None:
    server = own_server()

    assert set(server.demo.links) == {
        f"{name}@example.test" for name in ("owner", "member1", "member2", "member3")
    }
    for email, link in server.demo.links.items():
        assert link.startswith(f"{server.demo.http}/console/enter/?code=prl_")
        with urllib.request.urlopen(link, timeout=10) as page:
            assert f"Continue as {email}" in page.read().decode()


def test_the_credentials_work_and_may_do_everything(own_server: MakeServer) -> None:
    server = own_server()
    with server.client() as client:
        client.deliver(message("hello"), [server.demo.team])

    with server.owner() as owner:
        assert owner.get("/v1/me/")["user"]["role"] == "owner"
    for mailbox in server.mailboxes():
        with mailbox:
            assert mailbox.newest(1)[0]["subject"] == "hello"
            assert len(mailbox.get("/v1/me/")["scopes"]) == len(SCOPES)


def test_the_demo_comes_back_on_its_store_with_new_credentials(own_server: MakeServer) -> None:
    server = own_server()
    first = server.demo
    with server.client() as client:
        client.deliver(message("before"), [first.team])
    assert server.stop() == 0

    again = server.start_demo()

    assert (again.tenant_id, again.list_id) == (first.tenant_id, first.list_id)
    assert [one["inbox_id"] for one in again.inboxes] == [one["inbox_id"] for one in first.inboxes]
    assert again.owner["user_id"] == first.owner["user_id"]
    assert again.owner["password"] != first.owner["password"]
    for inbox in again.inboxes:
        with Mailbox(again.http, inbox["address"], inbox["token"]) as mailbox:
            assert [item["subject"] for item in mailbox.newest()] == ["before"]
    with Api(again.http) as api:
        api.login(again.owner["email"], again.owner["password"])
        old = {"email": first.owner["email"], "password": first.owner["password"]}
        assert api.call("POST", "/auth/login/", old).status == 401


def test_settings_hold_in_the_demo_but_data_does_not(
    own_server: MakeServer, tmp_path: Path
) -> None:
    server = own_server({"size_limit": "70000", "data": str(tmp_path / "elsewhere")})

    with server.client() as client:
        refused = client.command("MAIL FROM:<a@client.example> SIZE=70001")

    assert refused.starts("552 5.3.4")
    assert server.store.exists()
    assert not (tmp_path / "elsewhere").exists()


class Shown:
    """A demo on a temporary store, and the block it printed."""

    def __init__(self, program: Path, folder: Path) -> None:
        environ = {name: os.environ[name] for name in os.environ if name[:9] != "POSTROOM_"}
        self.process = subprocess.Popen(
            [program, "demo", *FREE],
            env=environ | {"TMPDIR": str(folder)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.block = ""
        for line in self.process.stdout:
            self.block += line
            if line.strip() == END:
                break

    def line(self, start: str) -> str:
        found = re.search(rf"^ +({start}.*)$", self.block, re.MULTILINE)
        assert found, self.block
        return found[1]

    def run(self, line: str, folder: Path) -> str:
        """Paste the line into a shell that knows nothing of Postroom; what it printed."""
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def stop(self) -> None:
        with self.process:  # closes the pipe and waits
            self.process.terminate()


@pytest.fixture(scope="module")
def program(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.warm.program(tmp_path_factory.mktemp("program") / "postroom")


@pytest.fixture(scope="module")
def shown(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Give a demo to type the lines of, one for all that do."""
    with shown_in(tmp_path_factory.mktemp("shown"), program) as demo:
        yield demo


@contextmanager
def shown_in(folder: Path, program: Path) -> Iterator[Shown]:
    """Run a demo whose temporary store is in this folder."""
    demo = Shown(program, folder)
    try:
        yield demo
    finally:
        demo.stop()


@typed
def test_what_is_printed_can_be_pasted_anywhere(shown: Shown, tmp_path: Path) -> None:
    python = shlex.quote(str(Path(sys.executable).with_name("python")))

    accepted = shown.run(shown.line(f"{re.escape(python)} -m gateway send"), tmp_path)
    listed = shown.run(shown.line(f"{re.escape(python)} -m gateway messages"), tmp_path)

    assert accepted.startswith("250 2.0.0 ")
    assert "Hello" in listed


@typed
def test_the_curl_line_reads_what_the_swaks_line_sent(shown: Shown, tmp_path: Path) -> None:
    need("swaks", "swaks")
    need("curl", "curl")

    before = shown.run(shown.line("curl "), tmp_path).count('"Hello"')

    shown.run(shown.line("swaks "), tmp_path)

    assert shown.run(shown.line("curl "), tmp_path).count('"Hello"') == before + 1


@typed
def test_the_watching_line_shows_what_is_sent_meanwhile(shown: Shown, tmp_path: Path) -> None:
    need("curl", "curl")
    line = f"exec {shown.line('curl -sSN ')} --max-time 20"
    with subprocess.Popen(["/bin/sh", "-c", line], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "retry: 2000\n"
        shown.run(shown.line(r"\S+ -m gateway send"), tmp_path)
        # What was sent before may be checked meanwhile; curl ends the lines after 20 seconds.
        assert "event: message.received\n" in iter(watching.stdout.readline, "")
        watching.terminate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_temporary_store_is_removed_at_the_end(
    program: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with shown_in(tmp_path, program) as shown:
        (folder,) = tmp_path.iterdir()
        assert (folder / "postroom.db").exists()

        shown.process.send_signal(number)

        assert shown.process.wait(45) == 0
        assert not folder.exists()


def test_a_taken_port_is_named(servers: Servers, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        words = ["demo", "--data", str(tmp_path / "store"), "--http", "127.0.0.1:0"]

        done = servers.warm.run([*words, "--smtp", taken], os.environ, timeout=60)

    assert done.returncode == 1
    assert done.stdout == ""
    told = f"smtp: cannot listen on {taken}: Address already in use; stop what listens there, or"
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_path_is_named(servers: Servers, tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        words = ["demo", "--data", str(tmp_path / "store"), "--smtp", "127.0.0.1:0"]
        environ = {**os.environ, "POSTROOM_LMTP": f"unix:{path}"}

        done = servers.warm.run([*words, "--http", "127.0.0.1:0"], environ, timeout=60)

    assert done.returncode == 1
    told = (
        f"lmtp: cannot listen on unix:{path}: Address already in use; stop what listens there, or"
    )
    assert f"{told} set `lmtp` to another path" in done.stderr


def test_a_bad_address_is_named(tmp_path: Path) -> None:
    result = type_alone("demo", "--data", str(tmp_path / "store"), "--smtp", "nowhere")

    assert result.exit_code == 1
    assert result.stderr.startswith("command line: smtp: expected host:port")
    assert not (tmp_path / "store").exists()


def test_a_store_of_somebody_else_is_left_alone(operator: Operator) -> None:
    operator.furnish("Other", "example.test")

    told = operator.fault("demo", *FREE)

    assert told == "data: this store has other tenants; give the demo a --data of its own\n"
    assert [tenant["name"] for tenant in operator.ask_all("tenant", "list")] == ["Other"]


def test_serve_goes_on_where_the_demo_ended(own_server: MakeServer) -> None:
    server: Server = own_server()
    assert server.stop() == 0

    server.start()

    assert server.operator("audit")["faults"] == []
    with server.owner() as owner:
        assert owner.get("/v1/me/")["user"]["email"] == "owner@example.test"


@typed
def test_the_line_for_the_documentation_sets_its_variables_and_finds_postroom(
    shown: Shown, tmp_path: Path
) -> None:
    exports = shown.line("export ")

    said = shown.run(f"{exports}\nenv; postroom --help", tmp_path)

    assert {name for name in VARIABLES if f"\n{name}=" in f"\n{said}"} == VARIABLES
    assert "Usage: postroom" in said
