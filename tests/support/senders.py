"""Senders that behave as a good MTA does: what was not acknowledged is sent again, byte for byte.

Each sender is a thread with one session at a time. It takes the next message only when the last
one was acknowledged, so whatever it ever sent is acknowledged in the end.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.mailbox import Mailbox
from tests.support.smtp import ConnectionEnded, HostPort, SmtpClient, message

RETRY_SECONDS = 0.05
GIVE_UP_SECONDS = 60.0


@dataclass(slots=True)
class Outcome:
    """What one sender got acknowledged, by subject, and which of it took several tries."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    retried: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class Sender(threading.Thread):
    """Sends until told to stop, or until `limit` messages are through."""

    def __init__(
        self,
        name: str,
        servers: Sequence[HostPort],
        *,
        seed: int,
        limit: int | None,
        pause: float,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.servers = servers
        self.turn = seed
        self.random = random.Random(seed)
        self.limit = limit
        self.pause = pause
        self.stopping = threading.Event()
        self.outcome = Outcome()
        self.client: SmtpClient | None = None

    def run(self) -> None:
        try:
            for subject, content in self._messages():
                if not self._send_until_acknowledged(subject, content):
                    return
                if self.stopping.wait(self.pause):
                    return
        except Exception as error:
            self.outcome.faults.append(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self._hang_up()

    def _messages(self) -> Iterator[tuple[str, bytes]]:
        number = 0
        while self.limit is None or number < self.limit:
            subject = f"{self.name}-{number}"
            # Now and then one that is too large for memory and goes through a spool file.
            size = 400_000 if self.random.random() < 0.03 else self.random.randrange(10, 6000)
            line = f"{subject} {self.random.random()}\r\n".encode()
            yield subject, message(subject, line * (size // len(line) + 1))
            number += 1

    def _send_until_acknowledged(self, subject: str, content: bytes) -> bool:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        tries = 0
        while time.monotonic() < deadline:
            tries += 1
            if self._try(content):
                self.outcome.acknowledged[subject] = content
                if tries > 1:
                    self.outcome.retried.add(subject)
                return True
            time.sleep(RETRY_SECONDS)
        self.outcome.faults.append(f"{subject}: not taken in {GIVE_UP_SECONDS} s")
        return False

    def _try(self, content: bytes) -> bool:
        try:
            if self.client is None:
                server = self.servers[self.turn % len(self.servers)]
                self.client = SmtpClient(server, timeout=20)
                self.client.greet()
            reply = self.client.deliver(content, ["team@example.test"])
        except (ConnectionEnded, OSError, ValueError):
            self._hang_up()
            return False
        if reply.code >= 500:
            raise AssertionError(f"refused for good: {reply}")
        if reply.code != 250:
            self._hang_up()
            return False
        return True

    def _hang_up(self) -> None:
        self.turn += 1
        if self.client is not None:
            self.client.close()
            self.client = None


class Senders:
    """Some senders at once; leaving the `with` lets each finish the message it is at.

    With several servers each begins at one of them, and goes on to the next after a failure.
    """

    def __init__(
        self,
        *servers: HostPort,
        count: int,
        seed: int,
        limit: int | None = None,
        pause: float = 0.0,
        name: str = "sender",
    ) -> None:
        self.threads = [
            Sender(f"{name}{number}", servers, seed=seed + number, limit=limit, pause=pause)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for thread in self.threads:
            if thread.limit is None or error is not None:
                thread.stopping.set()
        for thread in self.threads:
            thread.join(GIVE_UP_SECONDS + 10)

    def outcome(self) -> Outcome:
        """Return what all of them did; AssertionError when one of them could not do its work."""
        whole = Outcome()
        for thread in self.threads:
            assert not thread.is_alive(), f"{thread.name} did not end"
            whole.acknowledged |= thread.outcome.acknowledged
            whole.retried |= thread.outcome.retried
            whole.faults += thread.outcome.faults
        assert not whole.faults, whole.faults
        return whole


def every_message_exactly_once(
    mailboxes: Sequence[Mailbox], outcome: Outcome, *, sample: int, seed: int, of: str = ""
) -> None:
    """Fail unless each inbox has each acknowledged message once and nothing else.

    The bytes are compared for everything that was retried and for a sample of the rest. `of` is how
    the subjects of these senders begin, where others have sent to the same inboxes.
    """
    subjects = sorted(outcome.acknowledged)
    chosen = set(random.Random(seed).sample(subjects, k=min(sample, len(subjects))))
    chosen |= outcome.retried
    for mailbox in mailboxes:
        copies = {
            item["message_id"]: item["subject"]
            for item in mailbox.every()
            if item["subject"].startswith(of)
        }
        counted = Counter(copies.values())
        missing = outcome.acknowledged.keys() - counted.keys()
        assert not missing, f"{mailbox.address} misses {sorted(missing)[:10]}"
        double = {subject: count for subject, count in counted.items() if count > 1}
        assert not double, f"{mailbox.address} has more than one copy of {double}"
        unknown = counted.keys() - outcome.acknowledged.keys()
        assert not unknown, f"{mailbox.address} has {sorted(unknown)[:10]} that nobody sent"
        for message_id, subject in copies.items():
            if subject in chosen:
                sent = outcome.acknowledged[subject]
                stored = mailbox.content(message_id, len(sent))
                assert stored == sent, f"{mailbox.address} has other bytes for {subject}"
