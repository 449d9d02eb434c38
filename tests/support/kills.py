"""Kill -9 under load, so many rounds, and the count afterwards.

Most kills are a power cut, of all processes at once. Some hit the first process alone, whose
children then have to end, and some a child alone, without which mail goes on.
"""

import os
import random
import signal
import time

from tests.support.fixtures import Servers
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import Server, quiet_port


def kill_rounds(servers: Servers, *, rounds: int, seed: int, longest: float = 1.0) -> None:
    """Kill and restart a server under four senders; fail unless all is there exactly once."""
    moments = random.Random(seed)
    server = servers.new({"mail_processes": "3"}, smtp=quiet_port(), http=quiet_port())
    try:
        server.start_demo()
        with Senders(server.demo.smtp, count=4, seed=seed, pause=0.01) as senders:
            for _ in range(rounds):
                time.sleep(moments.uniform(0.02, longest))
                _kill_something(server, moments)
        outcome = senders.outcome()
        assert len(outcome.acknowledged) > rounds, "the load was too small to tell anything"
        assert outcome.retried, "no kill hit a message"
        mailboxes = server.mailboxes()
        try:
            every_message_exactly_once(mailboxes, outcome, sample=200, seed=seed)
        finally:
            for mailbox in mailboxes:
                mailbox.close()
        server.audit_is_clean()
    except AssertionError as fault:
        raise AssertionError(f"seed {seed}: {fault}") from fault
    finally:
        servers.stop(server)


def _kill_something(server: Server, moments: random.Random) -> None:
    _, *children = server.processes()
    drawn = moments.random()
    if children and drawn < 0.2:
        os.kill(moments.choice(children), signal.SIGKILL)
        return
    if drawn < 0.4:
        server.kill_first()
    else:
        server.kill()
    server.start()
