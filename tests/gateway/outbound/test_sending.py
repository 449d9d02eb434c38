"""The sending job against a smarthost that records, and fails at each point of the dialogue."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.outbound import host_health
from gateway.outbound.sending import Sending
from gateway.outbound.smarthost import Smarthost, Waits
from storage.clock import HOUR, MINUTE
from storage.engines.opening import EMBEDDED
from storage.errors import StoreUnavailable
from storage.outbound import letters, sending_queue
from storage.outbound.domain_smarthosts import Via
from storage.outbound.letters import Letter
from storage.outbound.sending_queue import SendingClaim
from storage.wakeup import WakeUp
from tests.builders import World, open_world
from tests.storage.outbound.queued import BODY, enqueued
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.smarthost import HANG, HANG_UP, RecordingSmarthost, recording_smarthost

SHORT = Waits(connect=5, command=0.3, block=5, dot=0.3, letter=5)


def plain(host: RecordingSmarthost, waits: Waits = SHORT) -> Smarthost:
    return Smarthost("127.0.0.1", host.port, "none", None, "", "", "postroom.test", waits)


@contextlib.asynccontextmanager
async def sending(
    world: World,
    host: RecordingSmarthost,
    *,
    connections: int = 2,
    user: str = "",
    commits: WakeUp | None = None,
) -> AsyncIterator[Sending]:
    smarthost = replace(plain(host), username=user, password=user and "secret")
    job = Sending(
        world.database,
        world.content,
        commits or WakeUp(),
        world.clock,
        smarthost,
        connections=connections,
        ask=False,
    )
    running = asyncio.create_task(job.run())
    try:
        yield job
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def found(world: World, letter: Letter) -> Letter:
    return await world.database.read(
        lambda tx: letters.find_letter(tx, tenant_id=world.tenant_id, message_id=letter.message_id)
    )


async def until(world: World, letter: Letter, is_so: Callable[[Letter], bool]) -> Letter:
    """Wait until the letter is so."""
    async with asyncio.timeout(20):
        while not is_so(now := await found(world, letter)):  # noqa: ASYNC110  # no bell for it
            await asyncio.sleep(0.01)
    return now


def states(letter: Letter) -> list[str]:
    return [one.state for one in letter.recipients]


def settled(letter: Letter) -> bool:
    return letter.attempts > 0 and "sending" not in states(letter)


async def test_a_letter_is_handed_over(engine: Engine) -> None:
    async with open_world(engine) as world, recording_smarthost() as host:
        letter = await enqueued(world)
        host.extensions = (*host.extensions, "DSN")
        async with sending(world, host) as job:
            assert job.largest("setting") is None
            after = await until(world, letter, settled)
            assert job.largest("setting") == 10_000_000
        assert states(after) == ["accepted", "accepted"]
        assert (after.recipients[0].code, after.recipients[0].enhanced) == (250, "2.0.0")
        (taken,) = host.taken
        assert taken.octets == BODY
        assert taken.recipients == (
            "RCPT TO:<grace@sender.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;grace@sender.test",
            "RCPT TO:<blind@sender.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;blind@sender.test",
        )
        assert f"SIZE={len(BODY)}" in taken.mail
        (token,) = re.findall(r"FROM:<bounce\+([a-z2-7]{16})@example\.test>", taken.mail)
        assert f"RET=HDRS ENVID={token}" in taken.mail


@pytest.fixture
def only(tmp_path: Path) -> Engine:
    """The embedded engine: what these tests are about does not touch the store's language."""
    return Engine("sqlite", EMBEDDED, tmp_path)


# At each point, the reply or fault, and the state of the letter afterwards.
FAULTS: dict[str, tuple[str, bytes | None, str]] = {
    "MAIL 4yz": ("MAIL", b"451 4.3.0 later\r\n", "waiting"),
    "MAIL 5yz": ("MAIL", b"550 5.7.1 never\r\n", "failed"),
    "RCPT 4yz": ("RCPT", b"450 4.2.1 later\r\n", "waiting"),
    "RCPT 5yz": ("RCPT", b"550 5.1.1 nobody\r\n", "failed"),
    "RCPT closes": ("RCPT", HANG_UP, "waiting"),
    "RCPT hangs": ("RCPT", HANG, "waiting"),
    "RCPT says nonsense": ("RCPT", b"hello\r\n", "waiting"),
    "RCPT has no such code": ("RCPT", b"999 what\r\n", "waiting"),
    "DATA 4yz": ("DATA", b"451 4.3.0 later\r\n", "waiting"),
    "DATA 5yz": ("DATA", b"554 5.5.1 never\r\n", "failed"),
    "DATA 250": ("DATA", b"250 2.0.0 thanks\r\n", "waiting"),
    "DATA closes": ("DATA", HANG_UP, "waiting"),
    "dot 4yz": ("dot", b"451 4.3.0 later\r\n", "waiting"),
    "dot 421": ("dot", b"421 4.3.2 closing\r\n", "waiting"),
    "dot 5yz": ("dot", b"554 5.7.1 spam\r\n", "failed"),
    "dot closes": ("dot", HANG_UP, "unknown"),
    "dot hangs": ("dot", HANG, "unknown"),
    "dot says nonsense": ("dot", b"\x00\xff\r\n", "unknown"),
    "dot floods": ("dot", b"250-more\r\n" * 10_000, "unknown"),
}


async def test_a_fault_at_each_point_has_its_state(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        with cases() as case:
            for name, (point, reply, state) in FAULTS.items():
                with case(name):
                    host.faults = {point: reply}
                    letter = await enqueued(world)
                    async with sending(world, host):
                        after = await until(world, letter, settled)
                    assert states(after) == [state, state]
                    assert bool(after.due_at) == (state in ("waiting", "unknown"))
                    assert host.taken == []
                    await drop(world, letter)


async def test_a_host_that_closes_in_the_body_has_not_taken_the_letter(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        host.faults = {"body": HANG_UP}
        letter = await enqueued(world)
        async with sending(world, host):
            after = await until(world, letter, settled)
        # What is written in one go may be behind the dot before the end is seen.
        assert after.state in ("waiting", "unknown")
        assert after.due_at is not None
        assert host.taken == host.dots == []


async def drop(world: World, letter: Letter) -> None:
    """Have it not be sent in the next case."""
    await world.database.write(
        lambda tx: tx.execute(
            "UPDATE letters SET due_at = NULL WHERE message_id = :id", {"id": letter.message_id}
        )
    )


async def test_one_refused_recipient_does_not_stop_the_others(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        letter = await enqueued(world)
        host.faults["RCPT"] = lambda line: b"550 5.1.1 nobody\r\n" if "grace" in line else ""
        async with sending(world, host):
            after = await until(world, letter, settled)
        assert states(after) == ["failed", "accepted"]
        assert after.recipients[0].diagnostic == "5.1.1 nobody"
        assert [one.recipients for one in host.taken] == [("RCPT TO:<blind@sender.test>",)]


async def test_a_host_that_fails_is_left_alone_and_no_letter_is_to_blame(
    only: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_health, "HOST_WAITS", (0.05,))
    async with open_world(only) as world, recording_smarthost() as host:
        with cases() as case:
            for point, reply in (
                *(("banner", b"421 4.3.2 busy\r\n"), ("banner", HANG_UP), ("banner", b"?\r\n")),
                *(("EHLO", b"502 5.5.1 no\r\n"), ("MAIL", b"421 4.3.2 busy\r\n")),
            ):
                with case(f"{point} {reply!r}"):
                    before = host.connections
                    host.faults = {point: reply}
                    letter = await enqueued(world)
                    async with sending(world, host) as job:
                        await until(world, letter, lambda one: one.attempts > 1)
                        assert job.lanes[0].health.failures
                        host.faults = {}
                        after = await until(world, letter, lambda one: one.state == "accepted")
                    assert after.due_at is None
                    assert host.connections > before + 1


async def test_a_host_that_closes_at_a_recipient_is_left_alone(
    only: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_health, "HOST_WAITS", (60.0,))
    async with open_world(only) as world, recording_smarthost() as host:
        letter = await enqueued(world)
        second = b"421 4.7.0 too many\r\n"
        host.faults["RCPT"] = lambda line: second if "blind" in line else ""
        async with sending(world, host, connections=1) as job:
            after = await until(world, letter, settled)
            assert job.lanes[0].health.failures == 1
            assert 0 < job.lanes[0].health.wait <= 60
        assert states(after) == ["waiting", "waiting"]
        assert [one.code for one in after.recipients] == [421, 421]
        assert (host.taken, host.dots) == ([], [])


async def test_a_refused_sign_in_pauses_all_sending(
    only: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(host_health, "PAUSED_SECONDS", 0.05)
    async with open_world(only) as world, recording_smarthost() as host:
        host.faults["AUTH"] = b"535 5.7.8 wrong\r\n"
        letter = await enqueued(world)
        with caplog.at_level(logging.INFO):
            async with sending(world, host, user="postroom") as job:
                waiting = await until(world, letter, lambda one: one.attempts > 1)
                assert "535" in (job.paused or "")
                assert set(states(waiting)) <= {"waiting", "sending"}
                host.faults.clear()
                await until(world, letter, lambda one: one.state == "accepted")
                assert not job.paused
        assert "send_paused" in caplog.text
        assert "secret" not in caplog.text


async def test_an_unreachable_host_lets_letters_expire(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        letter, other = await enqueued(world), await enqueued(world)
        host.faults["banner"] = HANG_UP
        async with sending(world, host, connections=1) as job:
            await until(world, letter, lambda one: one.attempts > 0)
            world.clock.advance(24 * HOUR + MINUTE)
            job.wake.set()
            for one in (letter, other):
                after = await until(world, one, lambda one: one.state == "failed")
                assert after.recipients[0].diagnostic


async def test_connections_are_used_again(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        made = [await enqueued(world) for _ in range(6)]
        async with sending(world, host, connections=2):
            for one in made:
                await until(world, one, lambda one: one.state == "accepted")
        assert len(host.taken) == 6
        assert host.connections == 2


async def test_a_letter_whose_lease_ran_out_under_way_goes_again(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        stalls = iter([2 * sending_queue.LEASE])

        def stall(line: str) -> str:
            """Let the time pass in which a process that stands still renews nothing."""
            world.clock.advance(next(stalls, 0))
            return ""

        host.faults["DATA"] = stall
        letter = await enqueued(world)
        async with sending(world, host):
            after = await until(world, letter, lambda one: one.state == "accepted")
        assert after.attempts == 2
        assert len(host.dots) == len(host.taken) == 1


async def test_a_claim_whose_answer_was_lost_is_made_again(
    only: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        letter = await enqueued(world)
        async with sending(world, host) as job:
            whole, lost = job._claim, [StoreUnavailable("the connection was lost at COMMIT")]

            async def claim(room: int, via: Via, now: int) -> list[SendingClaim]:
                found = await whole(room, via, now)
                if found and lost:
                    raise lost.pop()
                return found

            monkeypatch.setattr(job, "_claim", claim)
            await until(world, letter, lambda one: one.attempts == 1)
            world.clock.advance(2 * sending_queue.LEASE)
            after = await until(world, letter, lambda one: one.state == "accepted")
        assert (after.attempts, len(host.dots)) == (2, 1)


async def test_what_a_host_offers_counts_for_its_connection_alone(only: Engine) -> None:
    """Its extensions come and go from one connection to the next; a letter too large fails."""
    offers = (("SIZE 10000000", "DSN"), (), ("SIZE 5",), ("DSN", "SMTPUTF8", "PIPELINING", "X"))
    wanted = ("accepted", "accepted", "failed", "accepted")
    async with open_world(only) as world, recording_smarthost() as host:
        for host.extensions, state in zip(offers, wanted, strict=True):
            letter = await enqueued(world)
            async with sending(world, host):
                after = await until(world, letter, settled)
            assert after.state == state, host.extensions
        assert after.attempts == 1
        assert ["RET=" in one.mail for one in host.taken] == [True, False, True]
        assert ["SIZE=" in one.mail for one in host.taken] == [True, False, False]
        assert host.connections == len(offers)


async def test_the_dot_is_on_record_before_it_is_written(only: Engine) -> None:
    async with open_world(only) as world, recording_smarthost() as host:
        letter = await enqueued(world)
        seen: list[asyncio.Task[bool]] = []

        async def has_dot() -> bool:
            row = await world.database.read(
                lambda tx: tx.fetch_one(
                    "SELECT dot_at FROM letters WHERE message_id = :id", {"id": letter.message_id}
                )
            )
            return row is not None and row["dot_at"] is not None

        def look(line: str) -> bytes | str | None:
            seen.append(asyncio.ensure_future(has_dot()))
            return HANG

        host.faults["dot"] = look
        async with sending(world, host):
            after = await until(world, letter, settled)
        assert after.state == "unknown"
        assert [await one for one in seen] == [True]
