"""Kill -9 while letters leave, so many rounds, and what the smarthost has got afterwards.

With `unknown_sends = "ask"` nothing may be there twice. Each letter that was acknowledged has come
to its dot once, or is `unknown` and came at most once.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from http.client import HTTPException

from tests.support.fixtures import Servers
from tests.support.mailbox import Api
from tests.support.server import Server, quiet_port
from tests.support.smarthost import RecordingSmarthost, Taken, recording_smarthost

_SETTLED = {"accepted", "unknown"}
_SETTLE_SECONDS = 60.0  # who starts takes over what the killed process had leased


@contextlib.contextmanager
def smarthost_beside() -> Iterator[RecordingSmarthost]:
    """Run a smarthost on a loop of its own, for as long."""
    loop = asyncio.new_event_loop()
    begun, end = threading.Event(), asyncio.Event()
    hosts: list[RecordingSmarthost] = []

    async def serve() -> None:
        async with recording_smarthost() as host:
            hosts.append(host)
            begun.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert begun.wait(10)
        yield hosts[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()


def sending_kill_rounds(servers: Servers, *, rounds: int, seed: int) -> None:
    """Kill and restart a server that sends; fail for a letter that is lost or came twice."""
    moments = random.Random(seed)
    with smarthost_beside() as host:
        settings = {
            "smarthost": f"127.0.0.1:{host.port}",
            "smarthost_tls": "none",
            "undo_seconds": "0",
            "unknown_sends": "ask",
            "mail_processes": "1",
        }
        server = servers.new(settings, smtp=quiet_port(), http=quiet_port())
        try:
            server.start_demo()
            sent: list[tuple[str, str]] = []
            for number in range(rounds):
                sent += _send_some(server, f"{seed}-{number}", moments)
                server.kill()
                server.start()
            sent += _send_some(server, f"{seed}-last", moments)
            states = settled(server, [message_id for message_id, _ in sent], *_SETTLED)
            server.audit_is_clean()
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}: {fault}") from fault
        finally:
            servers.stop(server)
        _compare(host, sent, states, seed)


def _compare(
    host: RecordingSmarthost, sent: list[tuple[str, str]], states: dict[str, str], seed: int
) -> None:
    came = subjects_of(host.dots)
    twice = [subject for subject, count in came.items() if count > 1]
    lost = [
        subject
        for message_id, subject in sent
        if states[message_id] == "accepted" and subject not in came
    ]
    open_ones = {one: state for one, state in states.items() if state not in _SETTLED}
    assert not (twice or lost or open_ones), f"seed {seed}: {twice=} {lost=} {open_ones=}"


def subjects_of(letters: Iterable[Taken]) -> Counter[str]:
    """Count the letters by their subjects."""
    return Counter(
        line.removeprefix("Subject: ")
        for taken in letters
        for line in taken.octets.decode().splitlines()
        if line.startswith("Subject: ")
    )


def signed_in(server: Server) -> Api:
    """Return the API for the owner; to be closed."""
    api = Api(server.demo.http)
    api.login(server.demo.owner["email"], server.demo.owner["password"])
    return api


def _send_some(server: Server, name: str, moments: random.Random) -> list[tuple[str, str]]:
    """Send three letters; those that were acknowledged, as id and subject. Then wait a moment."""
    sent = []
    with signed_in(server) as api:
        for number in range(3):
            subject = f"letter {name} {number}"
            body = {
                "inbox_id": server.demo.inboxes[0]["address"],
                "to": [{"email": "grace@sender.test"}],
                "subject": subject,
                "text_body": "Hello.",
            }
            with contextlib.suppress(HTTPException, OSError):
                answer = api.call("POST", "/v1/messages/", body)
                assert answer.status == 201, answer
                sent.append((answer.json()["message_id"], subject))
    time.sleep(moments.uniform(0, 0.03))
    return sent


def settled(server: Server, message_ids: list[str], *ends: str) -> dict[str, str]:
    """Wait until each letter has come to one of these ends; its state."""
    address = server.demo.inboxes[0]["address"]
    deadline = time.monotonic() + _SETTLE_SECONDS
    states: dict[str, str] = {}
    with signed_in(server) as api:
        while left := [one for one in message_ids if states.get(one) not in ends]:
            for one in left:
                found = api.get(f"/v1/messages/{one}/", inbox_id=address)
                states[one] = found["delivery"]["state"]
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
    return states
