"""Several gateways on one PostgreSQL store, which are killed and started in turn under load.

Rules: each has a data directory of its own, as on a machine of its own; all of them do every job.
What was acknowledged by any of them is counted afterwards, at the one that is left: each message,
check, webhook, letter and relationship once, and nothing stands still for more than a minute. A
check with a result stands still as long as it likes: on a busy machine a question to the DNS, or
the process that reads long messages, may be late, and such a check is repeated after ten minutes.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPException

import psycopg

from tests.support.beside import running_beside
from tests.support.dns_server import dns_server_beside
from tests.support.fixtures import Servers
from tests.support.mailbox import Api, Mailbox
from tests.support.receiver import Receiver, receiving
from tests.support.senders import Outcome, Senders, every_message_exactly_once
from tests.support.sending_kills import smarthost_beside
from tests.support.server import Server, Settings, quiet_port
from tests.support.smarthost import RecordingSmarthost

PROCESSED_SECONDS = 90.0  # a minute, and half of one for a busy machine
# A quarter of the product's leases, so that what a killed gateway held is free sooner.
SHORT_LEASES = {
    "gateway.jobs.parsing.HOLD": 10_000_000,
    "gateway.outbound.sending._RENEW_SECONDS": 4.0,
    "storage.authentication.check_queue.HELD": 11_000_000,
    "storage.notifications.webhook_queue.LEASE": 10_000_000,
    "storage.outbound.sending_queue.LEASE": 11_000_000,
}
SOONER_SECONDS = 30.0
_SETTLED = {"accepted", "unknown"}
_BACKLOG = re.compile(rb'(?m)^postroom_backlog\{job="(\w+)"\} (\S+)')


@contextmanager
def fleet(
    servers: Servers,
    settings: Settings,
    count: int = 3,
    *,
    constants: Mapping[str, float] | None = None,
) -> Iterator[list[Server]]:
    """Give so many gateways on the store of these settings, all running."""
    ports = [(quiet_port(), quiet_port()) for _ in range(count)]
    made = [servers.new(settings, smtp=smtp, http=http) for smtp, http in ports]
    for each in made:
        each.constants = constants or {}
    try:
        made[0].start_demo()
        for each in made[1:]:
            each.start_beside(made[0], apart=True)
        yield made
    finally:
        for each in made:
            servers.stop(each)


def fleet_rounds(
    servers: Servers, url: str, *, rounds: int, seed: int, short_leases: bool = False
) -> None:
    """Kill each gateway in turn, so many rounds; fail for what is lost, doubled or unprocessed.

    With `short_leases` all is to be done sooner by what they are shorter.
    """
    moments = random.Random(seed)
    with ExitStack() as beside:
        dns = beside.enter_context(dns_server_beside())
        host = beside.enter_context(smarthost_beside())
        receiver = beside.enter_context(running_beside(receiving))
        settings = {
            "store": url,
            "authentication": "on",
            "dns_server": dns.endpoint,
            "webhook_allow_networks": "127.0.0.0/8",
            "smarthost": f"127.0.0.1:{host.port}",
            "smarthost_tls": "none",
            "undo_seconds": "0",
            "unknown_sends": "ask",
            "mail_processes": "1",
        }
        constants = SHORT_LEASES if short_leases else {}
        gateways = beside.enter_context(fleet(servers, settings, constants=constants))
        try:
            _subscribe(gateways[0], receiver)
            letters: dict[str, str] = {}
            addresses = [one.demo.smtp for one in gateways]
            with Senders(*addresses, count=3, seed=seed, pause=0.5) as senders:
                for _ in range(rounds):
                    for number, one in enumerate(gateways):
                        time.sleep(moments.uniform(0.1, 0.5))
                        letters |= _send_letter(gateways[number - 1], f"letter {len(letters)}")
                        one.kill()
                        time.sleep(moments.uniform(0, 0.3))
                        one.start()
            for one in gateways[1:]:
                assert one.stop() == 0
            _all_is_done(
                gateways[0],
                senders.outcome(),
                receiver=receiver,
                host=host,
                letters=letters,
                seed=seed,
                within=PROCESSED_SECONDS - (SOONER_SECONDS if short_leases else 0.0),
            )
        except AssertionError as fault:
            told = "\n".join(map(_warnings, gateways))
            raise AssertionError(f"seed {seed}: {fault}\n{told}") from fault


def _warnings(gateway: Server) -> str:
    """Return the last lines of its log that tell of a fault."""
    lines = gateway.log_tail(1_000_000).splitlines()
    return "\n".join([one for one in lines if " WARNING " in one or " ERROR " in one][-10:])


def _subscribe(gateway: Server, receiver: Receiver) -> None:
    with gateway.mailboxes()[0] as mailbox:
        delivery = {"type": "webhook", "target": receiver.url()}
        body = {"events": ["message.received"], "delivery": delivery}
        made = mailbox.call("POST", "/v1/alerts/", body)
        assert made.status == 201, made


def _send_letter(gateway: Server, subject: str) -> dict[str, str]:
    """Send one by a call; its id and subject, when it was acknowledged."""
    owner = gateway.demo.owner
    signs_in = {"email": owner["email"], "password": owner["password"]}
    body = {
        "inbox_id": gateway.demo.inboxes[0]["address"],
        "to": [{"email": "grace@sender.test"}],
        "subject": subject,
        "text_body": "Hello.",
    }
    try:
        with Api(gateway.demo.http) as api:
            signed = api.call("POST", "/auth/login/", signs_in)
            if signed.status == 503:
                return {}
            api.headers = {"Authorization": f"Bearer {signed.json()['access_token']}"}
            answer = api.call("POST", "/v1/messages/", body)
            return {answer.json()["message_id"]: subject} if answer.status == 201 else {}
    except (HTTPException, OSError):
        return {}


def _all_is_done(
    gateway: Server,
    outcome: Outcome,
    *,
    receiver: Receiver,
    host: RecordingSmarthost,
    letters: Mapping[str, str],
    seed: int,
    within: float,
) -> None:
    least, since = math.inf, time.monotonic()
    count = len(outcome.acknowledged)
    assert count and letters, "the load was too small"
    with gateway.mailboxes()[0] as mailbox:
        while left := _unprocessed(gateway, mailbox, letters) | _uncalled(receiver, count):
            if sum(left.values()) < least:  # calls of one endpoint go one after the other
                least, since = sum(left.values()), time.monotonic()
            still = time.monotonic() - since
            assert still < within, f"{left} stand still, of {count} messages"
            time.sleep(2)
        known = mailbox.get("/v1/relationships/sender@client.example/")
        assert known["message_count"] == count, f"{known['message_count']} counted of {count}"
        states = {one: _state(mailbox, one) for one in letters}
    came = Counter(_subject(taken.octets) for taken in [*host.dots])
    assert not [one for one in came if came[one] > 1], came
    lost = [letters[one] for one in letters if states[one] == "accepted" and not came[letters[one]]]
    assert not lost, f"the smarthost has no {lost}"
    mailboxes = gateway.mailboxes()
    try:
        every_message_exactly_once(mailboxes, outcome, sample=50, seed=seed, of="sender")
    finally:
        for each in mailboxes:
            each.close()
    gateway.audit_is_clean()


def _subject(octets: bytes) -> str:
    (line,) = re.findall(rb"(?m)^Subject: (.*?)\r?$", octets)
    return bytes(line).decode()


def _unprocessed(gateway: Server, mailbox: Mailbox, letters: Mapping[str, str]) -> dict[str, float]:
    """Return what waits for a job, by its name; letters that may yet leave, too."""
    with Api(gateway.demo.http) as api:
        text = api.call("GET", "/metrics").body
    waiting = {name.decode(): float(value) for name, value in _BACKLOG.findall(text)}
    assert {"parsing", "checking", "counting", "webhooks"} <= waiting.keys(), waiting
    if waiting["checking"]:
        waiting["checking"] -= _to_repeat(gateway.settings["store"])
    waiting["letters"] = sum(_state(mailbox, one) not in _SETTLED for one in letters)
    return {name: value for name, value in waiting.items() if value > 0}


def _to_repeat(store: str) -> int:
    """Return how many checks have a result, of a temporary error, and are to be done again."""
    with psycopg.connect(store, autocommit=True) as operator:
        operator.execute("SET postroom.tenant = '*'")
        found = operator.execute(_REPEATED).fetchone()
    assert found is not None
    return int(found[0])


_REPEATED = """
    SELECT count(*) FROM message_checks WHERE verdict IS NOT NULL AND held_until IS NOT NULL
"""


def _state(mailbox: Mailbox, message_id: str) -> str:
    return str(mailbox.get(f"/v1/messages/{message_id}/")["delivery"]["state"])


def _uncalled(receiver: Receiver, count: int) -> dict[str, float]:
    """Return how many messages no webhook has told of; each call has the id of its event."""
    told = len({heard.name for heard in [*receiver.calls]})
    assert told <= count, f"{told} webhooks for {count} messages"
    return {"calls": count - told} if told < count else {}
