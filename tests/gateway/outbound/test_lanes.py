"""Several smarthosts, several processes: whose trouble stops which letters, and who goes on."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from gateway.outbound import host_health
from gateway.outbound.sender_name import SenderName
from gateway.outbound.sending import Sending
from gateway.outbound.smarthost import (
    HostFailed,
    SignInRefused,
    Smarthost,
    smarthost_of_domain,
)
from gateway.outbound.start_sending import SendingJob
from storage.engines.opening import EMBEDDED
from storage.outbound import sending_queue
from storage.outbound.domain_smarthosts import (
    DomainSmarthost,
    find_smarthost,
    list_smarthosts,
    set_smarthost,
)
from storage.wakeup import WakeUp
from tests.builders import World, open_world
from tests.gateway.outbound.test_sending import found, plain, states, until
from tests.storage.outbound.queued import claimed, enqueued
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.smarthost import RecordingSmarthost, recording_smarthost


@pytest.fixture
def only(tmp_path: Path) -> Engine:
    return Engine("sqlite", EMBEDDED, tmp_path)


@asynccontextmanager
async def job(
    world: World,
    setting: RecordingSmarthost | None,
    *,
    names: Path | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Sending]:
    made = settings or Settings()
    sending = Sending(
        world.database,
        world.content,
        WakeUp(),
        world.clock,
        plain(setting) if setting else None,
        connections=2,
        ask=False,
        own=lambda via: smarthost_of_domain(made, via),
        names=names,
    )
    running = asyncio.create_task(sending.run())
    try:
        yield sending
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def give(world: World, smarthost: DomainSmarthost | None) -> None:
    await world.database.write(
        lambda tx: set_smarthost(
            tx, tenant_id=world.tenant_id, domain="example.test", smarthost=smarthost
        )
    )


async def test_the_store_knows_the_smarthosts_of_domains(engine: Engine) -> None:
    async with open_world(engine) as world:
        own = DomainSmarthost("smtp.example.net", 587, "starttls", "us", "/run/secret")
        await give(world, own)
        assert await world.database.read(list_smarthosts) == [own]
        first, second = await enqueued(world), await enqueued(world)
        await world.database.write(
            lambda tx: tx.execute(
                "UPDATE letters SET domain = 'other.test' WHERE message_id = :id",
                {"id": second.message_id},
            )
        )
        now = world.clock()
        for via, letter in ((own, first), ("setting", second)):
            claims = await world.database.write(
                lambda tx, via=via: sending_queue.claim(  # type: ignore[misc]
                    tx, owner=b"x" * 16, limit=10, now=now, via=via
                )
            )
            assert [one.message_id for one in claims] == [letter.message_id]
        await give(world, None)
        assert await world.database.read(list_smarthosts) == []
        none = await world.database.read(
            lambda tx: find_smarthost(tx, tenant_id=world.tenant_id, domain="example.test")
        )
        assert none is None


async def test_a_domain_sends_by_its_own_smarthost(
    only: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host_health, "PAUSED_SECONDS", 0.05)
    secret = tmp_path / "secret"
    async with (
        open_world(only) as world,
        recording_smarthost() as setting,
        recording_smarthost() as own,
    ):
        via = DomainSmarthost("127.0.0.1", own.port, "none", "us", str(secret))
        with cases() as case:
            with case("by its own, whose password is read when it is needed"):
                await give(world, via)
                letter = await enqueued(world)
                async with job(world, setting) as sending:
                    await until(world, letter, lambda one: one.attempts > 1)
                    assert "cannot be read" in (sending.paused or "")
                    secret.write_text("open sesame\n")
                    await until(world, letter, lambda one: one.state == "accepted")
                    assert sending.paused is None
                assert (len(own.taken), len(setting.taken)) == (1, 0)
            with case("the trouble of one stops no letter of the other"):
                own.faults["AUTH"] = b"535 5.7.8 wrong\r\n"
                letter, other = await enqueued(world), await enqueued(world)
                await world.database.write(
                    lambda tx: tx.execute(
                        "UPDATE letters SET domain = 'other.test' WHERE message_id = :id",
                        {"id": other.message_id},
                    )
                )
                async with job(world, setting) as sending:
                    await until(world, other, lambda one: one.state == "accepted")
                    await until(world, letter, lambda one: one.attempts > 0)
                    assert set(states(await found(world, letter))) <= {"waiting", "sending"}
                    own.faults.clear()
                    await until(world, letter, lambda one: one.state == "accepted")
                assert (len(own.taken), len(setting.taken)) == (2, 1)
            with case("alone, without one in the settings"):
                letter = await enqueued(world)
                async with job(world, None):
                    await until(world, letter, lambda one: one.state == "accepted")
                assert len(own.taken) == 3


async def test_a_server_without_a_smarthost_sends_once_a_domain_has_one(
    only: Engine, tmp_path: Path
) -> None:
    async with open_world(only) as world, recording_smarthost() as own:
        settings = Settings(data=tmp_path)
        sending = SendingJob(settings, world.database, world.content, WakeUp())
        running = asyncio.create_task(sending.run())
        try:
            letter = await enqueued(world)
            await world.database.write(  # the job goes by the clock of the machine
                lambda tx: tx.execute("UPDATE letters SET due_at = 1", {})
            )
            sending.wake.set()
            before = sending.is_on
            await give(world, DomainSmarthost("127.0.0.1", own.port, "none"))
            sending.wake.set()
            await until(world, letter, lambda one: one.state == "accepted")
            assert (before, sending.is_on, sending.paused) == (False, True, None)
            assert len(list((tmp_path / "senders").iterdir())) == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert list((tmp_path / "senders").iterdir()) == []


def test_a_password_is_sent_in_clear_to_inside_networks_only(tmp_path: Path) -> None:
    outside = DomainSmarthost("192.0.2.1", 25, "none")
    with pytest.raises(HostFailed, match="webhook_allow_networks"):
        smarthost_of_domain(Settings(), outside)
    with pytest.raises(SignInRefused, match="No such file"):
        smarthost_of_domain(
            Settings(), DomainSmarthost("h.test", 25, "starttls", "us", str(tmp_path / "none"))
        )
    made = smarthost_of_domain(Settings(), DomainSmarthost("h.test", 465, "implicit"))
    assert isinstance(made, Smarthost)
    assert (made.host, made.port, made.tls, made.password) == ("h.test", 465, "implicit", "")


async def test_who_starts_takes_over_what_a_dead_process_here_had_begun(
    only: Engine, tmp_path: Path
) -> None:
    names = tmp_path / "senders"
    async with open_world(only) as world, recording_smarthost() as host:
        dead, alive = SenderName(names), SenderName(names)
        dead.lock()
        alive.lock()
        first = await enqueued(world)
        (one,) = await claimed(world, dead.raw)
        second = await enqueued(world)
        (two,) = await claimed(world, dead.raw)
        now = world.clock()
        assert await world.database.write(
            lambda tx: sending_queue.note_dot(tx, two, owner=dead.raw, now=now)
        )
        third = await enqueued(world)
        await claimed(world, alive.raw)
        assert SenderName(names).dead() == []
        os.close(dead._file or -1)  # as its end does
        async with job(world, host, names=names):
            await until(world, first, lambda letter: letter.state == "accepted")
            assert set(states(await found(world, second))) == {"unknown"}
            assert set(states(await found(world, third))) == {"sending"}
        assert one.message_id == first.message_id
        assert [path.name for path in names.iterdir()] == [alive.raw.hex()]
        alive.release()
        assert list(names.iterdir()) == []
