"""Letters on their way out: how soon, how many, what mail in notices, and what a crash does.

Rules kept here:
- The smarthost is `benchmarks.letter_sink`, which answers at once; a letter has left when its 250
  was written. It runs in this process, and so do the callers: what they cost is in every figure.
- The rate is that of letters which are all due: they are queued first, with time to take them back.
- A kill is one of the whole server, by SIGKILL, at a random moment while three letters leave.
- The agent's counterpart is the smarthost, which answers each letter of the loop, and does not say
  that it is a machine.
"""

import contextlib
import http.client
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import load, wire
from benchmarks.calls import UNLIMITED
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.letter_sink import LetterSink, Taken, letter_sink
from benchmarks.plan import KIB, Plan
from benchmarks.postroom_server import (
    PostroomServer,
    copy_store,
    give_inbox,
    make_admin,
    make_token,
    run_killable,
    run_postroom,
)
from benchmarks.servers import DOMAIN, list_address, member_address

_SETTINGS = {
    **UNLIMITED,
    "POSTROOM_LOGIN_RATE_PER_MINUTE": "100000",
    "POSTROOM_SMARTHOST_TLS": "none",
}
_TEAM = 5
_WAIT = 120.0
_LATENCIES = 200
_RATED = 600
_CALLERS = 8
_INTAKE = 3_000
_ANSWERS = 25  # of each kind
_MARGIN = 0.005  # of the deadline to take a letter back
_LETTERS_A_KILL = 3
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Caller:
    """A person's session, acting for one inbox; each thread has a connection of its own."""

    server: PostroomServer
    session: str
    inbox: str

    def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Make one call over a connection of its own."""
        with contextlib.closing(self.connection()) as connection:
            return self.over(connection, method, path, body)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            self.server.http.host, self.server.http.port, timeout=_WAIT
        )

    def over(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Json | None = None,
    ) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {self.session}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def letter(self, subject: str, **more: object) -> Json:
        return {
            "inbox_id": self.inbox,
            "to": [{"email": "grace@client.test"}],
            "subject": subject,
            "text_body": "In March.",
            **more,
        }

    def send(self, connection: http.client.HTTPConnection, subject: str, **more: object) -> Json:
        status, found = self.over(connection, "POST", "/v1/messages/", self.letter(subject, **more))
        if status != 201:
            raise BenchmarkFault(f"POST /v1/messages/: {status} {found}")
        return found

    def state(self, message_id: object) -> str:
        query = urlencode({"inbox_id": self.inbox})
        _, found = self.call("GET", f"/v1/messages/{message_id}/?{query}")
        delivery = found.get("delivery")
        return str(delivery["state"]) if isinstance(delivery, dict) else ""


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Every figure of docs/sending.md; the long kills are `pytest -m soak -k sending`."""
    is_quick = plan.runs == 1
    data = copy_store(prepared, directory / "sending")
    password = make_admin(data)
    give_inbox(data, member_address(1), f"admin@{DOMAIN}")
    token = make_token(data, member_address(2), "email:read,email:send")
    found: list[Figure] = []
    with letter_sink() as sink:
        settings = {**_SETTINGS, "POSTROOM_SMARTHOST": f"127.0.0.1:{sink.port}"}
        with run_postroom(data, settings=settings) as server:
            caller = _signed_in(server, password)
            tell("sending: one letter at a time")
            found.append(_latency(caller, sink))
            tell("sending: answers that come back")
            found += _answers(caller, sink)
            tell("sending: taken back at the last moment")
            found += _undo(caller, sink, 100 if is_quick else 1_000)
            tell("sending: two agents")
            found.append(_agents(caller, token, sink))
        with run_postroom(data, settings={**settings, "POSTROOM_SMARTHOST_CONNECTIONS": "8"}) as s:
            caller = _signed_in(s, password)
            tell("sending: eight connections, and mail meanwhile")
            found += _rate(caller, sink, plan.runs)
        for unknown in ("retry", "ask"):
            tell(f"sending: kill -9, unknown_sends {unknown}")
            kills = 5 if is_quick else 25
            with_ask = {**settings, "POSTROOM_UNKNOWN_SENDS": unknown}
            found += _kills(data, with_ask, password, sink, kills)
    return found


def _signed_in(server: PostroomServer, password: str) -> _Caller:
    caller = _Caller(server, "", member_address(1))
    body: Json = {"email": f"admin@{DOMAIN}", "password": password}
    status, found = caller.call("POST", "/auth/login/", body)
    if status != 200:
        raise BenchmarkFault(f"login: {status}")
    return _Caller(server, str(found["access_token"]), member_address(1))


def _latency(caller: _Caller, sink: LetterSink) -> Figure:
    seconds = []
    with contextlib.closing(caller.connection()) as connection:
        for number in range(_LATENCIES):
            name = f"latency {number}"
            began = time.perf_counter()
            caller.send(connection, name, undo_seconds=0)
            seconds.append(_came(sink, name).at - began)
    shown = f"p99 {percentile(seconds, 99) * 1000:.0f} ms"
    what = "from the call to the smarthost's 250, p50"
    return Figure(what, percentile(seconds, 50) * 1000, "ms", at_most=25, note=shown)


def _came(sink: LetterSink, name: str) -> Taken:
    def find() -> Taken | None:
        return next((one for one in reversed(sink.taken) if one.subject == name), None)

    if not sink.wait_for(lambda: find() is not None, _WAIT):
        raise BenchmarkFault(f"{name} has not left")
    found = find()
    assert found is not None
    return found


def _rate(caller: _Caller, sink: LetterSink, runs: int) -> list[Figure]:
    """The rate of letters that are due; and mail in, in turn beside them and without."""
    rates = [_burst(caller, sink, f"rate {run}", None)[0] for run in range(runs)]
    alone, beside = [], []
    for run in range(max(2, runs)):
        alone.append(_intake(caller))
        beside.append(_burst(caller, sink, f"beside {run}", _intake)[1])
    loss = 100 * (1 - max(beside) / max(alone))
    shown = f"{max(alone):.0f} and {max(beside):.0f} messages a second"
    what = "mail in while letters leave, less than alone"
    return [
        Figure(
            "a letter, eight connections",
            1000 / max(rates),
            "ms",
            at_most=1000 / 150,
            note=f"{max(rates):.0f} a second",
        ),
        Figure(what, max(0.0, loss), "%", at_most=3, note=shown),
    ]


def _burst(
    caller: _Caller, sink: LetterSink, name: str, beside: Callable[[_Caller], float] | None
) -> tuple[float, float]:
    """Have letters leave together; how many a second, and what was measured meanwhile."""
    due = time.time() + 6 + _RATED / 100
    _queue(caller, name, _RATED, due)
    time.sleep(max(0.0, due - time.time()))
    found = beside(caller) if beside else 0.0
    at = sorted(_times(sink, name, _RATED))
    return (len(at) - 1) / (at[-1] - at[0]), found


def _intake(caller: _Caller) -> float:
    wanted = load.Load(list_address(_TEAM), _INTAKE, 10 * KIB)
    return _INTAKE / load.send(caller.server.smtp, wanted, timeout=_WAIT)


def _queue(caller: _Caller, name: str, count: int, due: float) -> None:
    def some(first: int) -> None:
        with contextlib.closing(caller.connection()) as connection:
            for number in range(first, count, _CALLERS):
                left = max(0, round(due - time.time()))
                caller.send(connection, f"{name} {number}", undo_seconds=left)

    with ThreadPoolExecutor(_CALLERS) as threads:
        list(threads.map(some, range(_CALLERS)))


def _times(sink: LetterSink, name: str, count: int) -> list[float]:
    def found() -> list[float]:
        return [one.at for one in sink.taken if one.subject.startswith(f"{name} ")]

    if not sink.wait_for(lambda: len(found()) >= count, _WAIT):
        raise BenchmarkFault(f"of {count} letters {len(found())} have left")
    return found()


def _answers(caller: _Caller, sink: LetterSink) -> list[Figure]:
    """Of each kind of answer, how many do not join their thread."""
    kinds: dict[str, list[Json]] = {
        "plain": [],
        "Message-ID replaced": [],
        "References dropped": [],
        "both": [],
    }
    team = list_address(_TEAM)
    with contextlib.closing(caller.connection()) as connection:
        for kind, made in kinds.items():
            for number in range(_ANSWERS):
                subject = f"{kind} {number}"
                made.append(caller.send(connection, subject, undo_seconds=0, **{"from": team}))
                _answer(caller, _came(sink, subject), kind)
    figures = []
    for kind, made in kinds.items():
        lost = sum(_messages_in(caller, one["thread_id"]) != 2 for one in made)
        figures.append(
            Figure(f"answers that miss their thread: {kind}", 100 * lost / _ANSWERS, "%", at_most=0)
        )
    return figures


def _answer(caller: _Caller, letter: Taken, kind: str) -> None:
    """Answer as a client does that got the letter by such a smarthost, or drops such fields."""
    fields = dict(re.findall(rb"(?m)^(Message-ID|References|Reply-To): ([^\r\n]*)", letter.octets))
    own = fields[b"Message-ID"]
    if kind in ("Message-ID replaced", "both"):
        own = f"<{random.getrandbits(64)}@smarthost.test>".encode()
    lines = [b"Subject: Re: " + letter.subject.encode(), b"In-Reply-To: " + own]
    if kind in ("plain", "Message-ID replaced"):
        lines.append(b"References: " + fields.get(b"References", b"") + b" " + own)
    name = f"Message-ID: <{random.getrandbits(64)}@client.test>".encode()
    content = b"\r\n".join([b"From: grace@client.test", name, *lines, b"", b"Thanks.", b""])
    with wire.Client(caller.server.smtp) as client:
        client.send(fields[b"Reply-To"].decode(), content)


def _messages_in(caller: _Caller, thread_id: object) -> int:
    query = urlencode({"inbox_id": caller.inbox})
    _, found = caller.call("GET", f"/v1/messages/threads/{thread_id}/?{query}")
    count = found.get("message_count", 0)
    return count if isinstance(count, int) else 0


def _undo(caller: _Caller, sink: LetterSink, races: int) -> list[Figure]:
    """Take letters back within 5 ms of their deadline; compare with what the smarthost got."""

    def race(number: int) -> tuple[str, bool, str]:
        subject = f"undo {number} {random.getrandbits(32)}"
        with contextlib.closing(caller.connection()) as connection:
            made = caller.send(connection, subject, undo_seconds=1)
            due = _seconds_of(str(made["send_at"])) + random.uniform(-_MARGIN, _MARGIN)
            time.sleep(max(0.0, due - time.time()))
            path = f"/v1/messages/{made['message_id']}/cancel/"
            status, _ = caller.over(connection, "POST", path, {"inbox_id": caller.inbox})
        return subject, status == 200, str(made["message_id"])

    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(race, range(races)))
    time.sleep(3.0)
    came = Counter(one.subject for one in sink.taken)
    both = sum(cancelled and came[subject] > 0 for subject, cancelled, _ in found)
    neither = sum(not cancelled and came[subject] != 1 for subject, cancelled, _ in found)
    others = sum(
        (caller.state(message_id) == "accepted") != (came[subject] == 1)
        for subject, _, message_id in found
    )
    taken_back = sum(cancelled for _, cancelled, _ in found)
    return [
        Figure(
            f"of {races} races for the undo, sent and cancelled",
            both,
            "letters",
            at_most=0,
            note=f"{taken_back} taken back in time",
        ),
        Figure("neither, or sent twice", neither, "letters", at_most=0),
        Figure("state and smarthost disagree", others, "letters", at_most=0),
    ]


def _seconds_of(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _agents(caller: _Caller, token: str, sink: LetterSink) -> Figure:
    """Have a machine outside answer every letter, and an agent here answer every message."""
    server, own = caller.server, member_address(2)
    agent = _Caller(server, token, own)
    sent = 0

    def bring(letter: Taken) -> None:
        """Answer it, as a machine that hides what it is."""
        if not letter.subject.endswith("loop"):
            return
        found = re.search(rb"(?m)^Message-ID: ([^\r\n]*)", letter.octets)
        own_id = found[1] if found else b""
        name = f"Message-ID: <{random.getrandbits(64)}@client.test>".encode()
        fields = [b"From: grace@client.test", b"Subject: Re: loop", name]
        fields += [b"In-Reply-To: " + own_id, b"", b"And you?", b""]
        with wire.Client(server.smtp) as client:
            client.send(own, b"\r\n".join(fields))

    sink.hand_on = bring
    with wire.Client(server.smtp) as client:
        name = f"Message-ID: <{random.getrandbits(64)}@client.test>".encode()
        client.send(
            own, b"\r\n".join([b"From: grace@client.test", b"Subject: loop", name, b"", b"x", b""])
        )
    seen: set[object] = set()
    deadline = time.monotonic() + 20
    refused = ""
    while not refused and time.monotonic() < deadline:
        _, listed = agent.call("GET", "/v1/messages/?limit=50")
        results = listed.get("results")
        for one in results if isinstance(results, list) else []:
            if one["message_id"] in seen or "loop" not in one["subject"]:
                continue
            seen.add(one["message_id"])
            body: Json = {
                "reply_to_message_id": one["message_id"],
                "text_body": "Yes.",
                "undo_seconds": 0,
            }
            status, answer = agent.call("POST", "/v1/messages/", body)
            sent += status == 201
            refused = "" if status == 201 else str(answer.get("code"))
        time.sleep(0.02)
    sink.hand_on = None
    return Figure(
        "letters of an agent to a machine that answers everything",
        sent,
        "letters",
        at_most=5,
        note=f"then {refused or 'no end'}",
    )


def _kills(
    data: Path, settings: dict[str, str], password: str, sink: LetterSink, kills: int
) -> list[Figure]:
    """Kill the server again and again; what was lost, and what came twice."""
    made: dict[str, str] = {}
    for number in range(kills):
        with run_killable(data, settings=settings) as server:
            made |= _some(_signed_in(server, password), f"kill {kills} {number}")
            time.sleep(random.uniform(0, 0.05))
    with run_postroom(data, settings=settings) as server:
        caller = _signed_in(server, password)
        states = _settled(caller, made, ask=settings["POSTROOM_UNKNOWN_SENDS"] == "ask")
    came: dict[str, list[bytes]] = {}
    for one in sink.taken:
        came.setdefault(one.subject, []).append(one.octets)
    lost = sum(states[name] == "accepted" and name not in came for name in made)
    twice = [octets for name in made if len(octets := came.get(name, [])) > 1]
    unlike = sum(len(set(octets)) > 1 for octets in twice)
    with_ask = settings["POSTROOM_UNKNOWN_SENDS"] == "ask"
    what = f"{kills} kills, unknown_sends {settings['POSTROOM_UNKNOWN_SENDS']}"
    note = f"{len(made)} letters; {sum(one == 'unknown' for one in states.values())} unknown"
    return [
        Figure(f"{what}: lost", lost, "letters", at_most=0, note=note),
        Figure(f"{what}: came twice", len(twice), "letters", at_most=0 if with_ask else None),
        Figure(f"{what}: twice and not alike", unlike, "letters", at_most=0),
    ]


def _some(caller: _Caller, name: str) -> dict[str, str]:
    """Send three letters; those that were acknowledged, by subject."""
    found = {}
    with contextlib.closing(caller.connection()) as connection:
        for number in range(_LETTERS_A_KILL):
            subject = f"{name} {number} {random.getrandbits(32)}"
            made = caller.send(connection, subject, undo_seconds=0)
            found[subject] = str(made["message_id"])
    return found


def _settled(caller: _Caller, made: dict[str, str], *, ask: bool) -> dict[str, str]:
    """Wait until each letter has come to an end; `unknown` is one with `ask`.

    Without it one that is unknown goes again after five minutes, for which nobody waits here: the
    soak moves its clock.
    """
    ends = {"accepted", "unknown"}
    deadline = time.monotonic() + _WAIT
    while True:
        states = {name: caller.state(message_id) for name, message_id in made.items()}
        if ends.issuperset(states.values()):
            return states
        if time.monotonic() > deadline:
            raise BenchmarkFault(f"letters have not come to an end: {Counter(states.values())}")
        time.sleep(0.2)
