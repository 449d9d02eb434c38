"""Plays a dialogue against a running server.

Rules: every reply line that is read is also checked for what all replies must have (CRLF, length,
enhanced status code); whatever the dialogue opened is closed at its end; each wait is bounded.
"""

import json
import re
import shlex
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.dialogue import (
    Dialogue,
    Step,
    lacks_enhanced_code,
    line_matches,
    octets,
)
from tests.support.mailbox import Api, Mailbox, Record
from tests.support.server import HOSTNAME, Server
from tests.support.smtp import ConnectionEnded, SmtpClient

LMTP_KINDS = ("lmtp", "unix", "proxy")
CLIENT = "client.example"
STORED_SECONDS = 5.0  # only for what the client did not wait for itself


class Mismatch(AssertionError):
    """The server did not do what the dialogue says."""


class Line:
    """One named connection of a dialogue, and where it is in a reply."""

    def __init__(self, server: Server, source: str | None, kind: str) -> None:
        self.client = SmtpClient(
            server.address(kind), source=source, greet=False, tls=kind == "smtps"
        )
        self.held = b""  # C+ lines that go out with the next one
        self.kept: str | None = None  # a line an S? left for the next S
        self._first = True
        self._plain = False  # within an EHLO reply

    def read(self) -> str:
        if self.kept is not None:
            line, self.kept = self.kept, None
            return line
        line = self.client.line()
        greets = self._first and line.startswith("220")
        self._first = False
        if line[:4] in ("250-", "250 ") and line[4:].startswith(HOSTNAME):
            self._plain = True
        if not greets and not self._plain and lacks_enhanced_code(line):
            raise Mismatch(f"no enhanced status code: {line!r}")
        if line[3:4] != "-":
            self._plain = False
        return line


class Player:
    """Plays one dialogue; use it in `with`."""

    def __init__(self, dialogue: Dialogue, server: Server, kind: str) -> None:
        self.dialogue = dialogue
        self.kind = kind
        self.server = server
        self.lines: dict[str, Line] = {}
        self.name = "first"
        self.held: list[SmtpClient] = []
        self.transcript: list[str] = []
        self.mailboxes: dict[str, Mailbox] = {}
        self.markers: dict[str, str | None] = {}
        self.api: Api | None = None
        self.asleep = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.asleep:
            self._resume()
        for client in [*self.held, *(line.client for line in self.lines.values())]:
            client.close()
        for mailbox in self.mailboxes.values():
            mailbox.close()
        if self.api is not None:
            self.api.close()

    def play(self) -> None:
        if self.dialogue.uses("STORED", "COPY"):
            for mailbox in self.server.mailboxes():
                self.mailboxes[mailbox.address] = mailbox
                self.markers[mailbox.address] = mailbox.newest_id()
        for step in self.dialogue.steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        if step.verb == "REPEAT":
            for count in range(1, int(step.text) + 1):
                for inner in step.block:
                    text = inner.text.replace("{i}", str(count))
                    self._take(Step(inner.number, inner.verb, text, inner.block))
            return
        try:
            self._actions()[step.verb](step.text)
        except (AssertionError, ConnectionEnded, OSError) as error:
            said = "\n".join(self.transcript[-20:])
            raise Mismatch(
                f"{self.dialogue.name}.smtp:{step.number}: {step.verb} {step.text}\n"
                f"{type(error).__name__}: {error}\n--- before that\n{said}"
            ) from None

    def _actions(self) -> dict[str, Callable[[str], None]]:
        return {
            "C:": self._say,
            "C+": self._hold_back,
            "B:": self._say_octets,
            "S:": self._expect,
            "S?": self._expect_perhaps,
            "S=": self._expect_exactly,
            "S*": self._expect_reply,
            "S!": self._expect_end,
            "DROP": self._expect_drop,
            "HELLO": self._hello,
            "TLS": lambda _: self._line().client.start_tls(),
            "ON": self._switch,
            "HOLD": self._hold,
            "CLOSE": lambda _: self._line().client.close(),
            "HALFCLOSE": lambda _: self._line().client.finish_sending(),
            "RESET": lambda _: self._line().client.reset(),
            "SLEEP": lambda text: time.sleep(float(text)),
            "SILENCE": self._expect_silence,
            "ASLEEP": lambda _: self._pause(),
            "AWAKE": lambda _: self._resume(),
            "SIGTERM": lambda _: self.server.terminate(),
            "EXIT": self._expect_exit,
            "STORED": self._expect_stored,
            "COPY": self._expect_copy,
            "LIST": self._make_list,
            "RUN": self._run,
            "API": self._call,
        }

    # What the client says

    def _line(self) -> Line:
        if self.name not in self.lines:
            self.lines[self.name] = Line(self.server, None, self.kind)
        return self.lines[self.name]

    def _send(self, data: bytes) -> None:
        line = self._line()
        data, line.held = line.held + data, b""
        if self.kind != self.dialogue.kind and self.kind in LMTP_KINDS:
            data = data.replace(b"EHLO ", b"LHLO ")
        data = self._of_kind(data)
        self.transcript.append(f"C: {data[:300]!r}")
        if not self.dialogue.each_octet:
            line.client.send(data)
            return
        for octet in data:
            line.client.send(bytes([octet]))
            time.sleep(0.0005)

    def _of_kind(self, data: bytes) -> bytes:
        """Name another client, as long a name, where the dialogue is played once more."""
        if self.kind == self.dialogue.kind:
            return data
        return data.replace(CLIENT.encode(), f"{self.kind:0<6}.example".encode())

    def _say(self, text: str) -> None:
        self._send(text.encode("utf-8") + b"\r\n")

    def _hold_back(self, text: str) -> None:
        self._line().held += text.encode("utf-8") + b"\r\n"

    def _say_octets(self, text: str) -> None:
        self._send(octets(text))

    def _hello(self, _: str) -> None:
        self._expect(f"220 {HOSTNAME}")
        hello = "LHLO" if self.kind in LMTP_KINDS else "EHLO"
        self._say(f"{hello} client.example")
        self._expect_reply("250")

    def _switch(self, text: str) -> None:
        self.name, _, source = text.partition(" from ")
        if self.name not in self.lines:
            self.lines[self.name] = Line(self.server, source or None, self.kind)

    def _hold(self, text: str) -> None:
        count, _, source = text.partition(" from ")
        for _ in range(int(count)):
            client = SmtpClient(
                self.server.address(self.kind), source=source or None, tls=self.kind == "smtps"
            )
            self.held.append(client)
            assert client.greeting.code == 220, client.greeting

    # What the server must answer

    def _read(self) -> str:
        line = self._line().read()
        self.transcript.append(f"S: {line}")
        return line

    def _expect(self, expected: str) -> None:
        line = self._read()
        assert line_matches(expected, line), f"the server said {line!r}"

    def _expect_perhaps(self, expected: str) -> None:
        try:
            line = self._read()
        except ConnectionEnded:
            return  # left for the S! that follows
        if not line_matches(expected, line):
            self._line().kept = line

    def _expect_exactly(self, expected: str) -> None:
        line = self._read()
        assert line == expected, f"the server said {line!r}"

    def _expect_reply(self, code: str) -> None:
        while True:
            line = self._read()
            assert line.startswith(code), f"the server said {line!r}"
            if line[3:4] != "-":
                return

    def _expect_end(self, _: str) -> None:
        line = self._line()
        assert line.kept is None, f"the server said {line.kept!r}"
        assert line.client.at_end(), f"not closed, but {line.client.buffer!r}"

    def _expect_drop(self, _: str) -> None:
        """Pass over whatever octets still come, to the end; none is a reply."""
        client = self._line().client
        while not client.at_end():
            assert not client.buffer[:3].isdigit(), client.buffer
            client.buffer = b""

    def _expect_silence(self, text: str) -> None:
        client = self._line().client
        client.socket.settimeout(float(text))
        try:
            said = client.line()
        except TimeoutError:
            return
        finally:
            client.socket.settimeout(15)
        raise Mismatch(f"the server said {said!r}")

    # The server's process, its store and its other doors

    def _pause(self) -> None:
        self.server.pause()
        self.asleep = True

    def _resume(self) -> None:
        self.server.resume()
        self.asleep = False

    def _expect_exit(self, text: str) -> None:
        status = self.server.wait()
        assert status == int(text), f"exit status {status}"

    def _expect_stored(self, text: str) -> None:
        count, _, where = text.partition(" in ")
        expected = int(count)
        for address in [where] if where else list(self.mailboxes):
            deadline = time.monotonic() + STORED_SECONDS
            while (found := len(self._copies(address))) < expected:
                assert time.monotonic() < deadline, f"{address} got {found}"
                time.sleep(0.05)
            assert found == expected, f"{address} got {found}"

    def _copies(self, address: str) -> list[Record]:
        if address in self.mailboxes:
            return self.mailboxes[address].since(self.markers[address])
        return self.server.listed(address)

    def _expect_copy(self, text: str) -> None:
        expected = self._of_kind(octets(text))
        for address, mailbox in self.mailboxes.items():
            newest = mailbox.since(self.markers[address])[0]
            content = mailbox.content(newest["message_id"], len(expected))
            assert content == expected, f"{address} got {content!r}"

    def _run(self, text: str) -> None:
        arguments = shlex.split(text.replace("{tenant}", self.server.demo.tenant_id))
        self.transcript.append(json.dumps(self.server.operator(*arguments)))

    def _owner(self) -> Api:
        if self.api is None:
            self.api = self.server.owner()
        return self.api

    def _make_list(self, text: str) -> None:
        """Make a list, with a member where one is named: ADDRESS [of MEMBER]."""
        address, _, member = text.partition(" of ")
        lists, api = "/v1/distribution-lists/", self._owner()
        made = api.call("POST", lists, {"address": address, "name": "A list of its own"})
        assert made.status == 201, made
        if member:
            members = f"{lists}{made.json()['list_id']}/members/"
            joined = api.call("POST", members, {"inbox_id": member})
            assert joined.status == 201, joined

    def _call(self, text: str) -> None:
        """Make a call as the owner: METHOD PATH [JSON] = STATUS."""
        request, _, status = text.rpartition(" = ")
        method, _, rest = request.partition(" ")
        path, _, body = rest.partition(" ")
        path = re.sub(r"\{list:([^}]+)\}", lambda found: self._list_id(found[1]), path)
        answer = self._owner().call(method, path, json.loads(body) if body else None)
        assert answer.status == int(status), answer

    def _list_id(self, address: str) -> str:
        lists = json.loads(self._owner().call("GET", "/v1/distribution-lists/").body)
        return str(next(item["list_id"] for item in lists if item["address"] == address))
