"""The life of a letter in the store; on both engines."""

import asyncio

import pytest

from storage.clock import HOUR, MINUTE, SECOND
from storage.database import Tx
from storage.errors import Conflict
from storage.events import log
from storage.ids import from_text
from storage.index import copy_index
from storage.mailbox import deletion
from storage.maintenance.integrity import audit
from storage.outbound import letters, sending_queue
from storage.outbound.letters import Letter
from storage.outbound.sending_queue import RecipientOutcome, SendingClaim
from tests.builders import AGENT, SALES, SUPPORT, World, copies_in, deliver, open_world
from tests.storage.outbound.queued import BODY, OTHERS, US, claimed, enqueued
from tests.support.cases import cases
from tests.support.engines import Engine

TAKEN = RecipientOutcome("accepted", 250, "2.0.0", "queued")
LATER = RecipientOutcome("waiting", 451, "4.3.0", "busy")
NEVER = RecipientOutcome("failed", 550, "5.1.1", "no such user")


async def dot(world: World, one: SendingClaim, owner: bytes = US) -> bool:
    now = world.clock()
    return await world.database.write(
        lambda tx: sending_queue.note_dot(tx, one, owner=owner, now=now)
    )


async def outcome(world: World, one: SendingClaim, *found: RecipientOutcome) -> bool:
    now = world.clock()
    said = dict(zip((place for place, _ in one.recipients), found, strict=True))
    return await world.database.write(
        lambda tx: sending_queue.note_outcome(tx, one, said, owner=US, now=now)
    )


async def recovered(world: World, *, ask: bool = False) -> tuple[list[bytes], list[bytes]]:
    now = world.clock()
    return await world.database.write(lambda tx: sending_queue.recover(tx, ask=ask, now=now))


async def found(world: World, letter: Letter) -> Letter:
    return await world.database.read(
        lambda tx: letters.find_letter(tx, tenant_id=world.tenant_id, message_id=letter.message_id)
    )


async def states(world: World, letter: Letter) -> list[str]:
    return [one.state for one in (await found(world, letter)).recipients]


async def cancel(world: World, letter: Letter) -> None:
    now = world.clock()
    await world.database.write(
        lambda tx: letters.cancel(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=letter.inbox_id,
            message_id=letter.message_id,
            now=now,
        )
    )


async def test_a_letter_goes_its_way(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(engine) as world:
        with cases() as case:
            with case("the author alone has it until it leaves"):
                letter = await enqueued(world, wait=10 * SECOND)
                assert letter.state == "waiting"
                assert await claimed(world) == []
                assert len(await copies_in(world, SALES, folder="sent", is_read=True)) == 1
                assert await copies_in(world, SUPPORT, folder="sent") == []
                with pytest.raises(Conflict, match="has not left"):
                    await world.database.write(lambda tx: _delete(tx, world, letter))
            with case("then the members of its list have it, also when it was filed meanwhile"):
                monkeypatch.setattr(copy_index, "_MOST_UNFILED", 1)
                await deliver(world, "agent@example.test")
                world.clock.advance(10 * SECOND)
                (one,) = await claimed(world)
                assert one.recipients == ((0, "grace@sender.test"), (1, "blind@sender.test"))
                assert one.content.body == BODY
                assert len(await copies_in(world, SUPPORT, folder="sent", is_read=True)) == 1
                assert await copies_in(world, AGENT, folder="sent") == []
                assert await claimed(world, OTHERS) == []
            with case("who holds a copy is told"):
                new = await world.database.read(
                    lambda tx: log.new_events(tx, after={world.tenant_id: b""}, limit=1000)
                )
                told = [event.inbox_id for event in new.events if event.type == "message.sent"]
                assert told == sorted([world.raw[SALES], world.raw[SUPPORT]])
            with case("a reply to it joins its thread"):
                again = await deliver(
                    world, "sales@example.test", references=("thread@example.test",)
                )
                raw = from_text("msg", again)
                (copy,) = [one for one in await copies_in(world, SALES) if one.message_id == raw]
                assert copy.thread_id == letter.thread_id
            with case("one recipient takes it, one asks to wait"):
                assert await dot(world, one)
                assert await outcome(world, one, TAKEN, LATER)
                assert await states(world, letter) == ["accepted", "waiting"]
                assert (await found(world, letter)).due_at == world.clock() + MINUTE
                with pytest.raises(Conflict):
                    await cancel(world, letter)
            with case("the second attempt is for that one alone, and the wait grows"):
                world.clock.advance(MINUTE)
                (one,) = await claimed(world)
                assert (one.attempt, one.recipients) == (2, ((1, "blind@sender.test"),))
                assert await outcome(world, one, LATER)
                assert (await found(world, letter)).due_at == world.clock() + 5 * MINUTE
            with case("when it has expired it fails"):
                world.clock.advance(25 * HOUR)
                assert await claimed(world) == []
                assert await states(world, letter) == ["accepted", "failed"]
                assert (await found(world, letter)).state == "failed"
            with case("it can be tried again"):
                now = world.clock()
                await world.database.write(
                    lambda tx: letters.retry(
                        tx,
                        tenant_id=world.tenant_id,
                        message_id=letter.message_id,
                        expires_at=now + HOUR,
                        now=now,
                    )
                )
                (one,) = await claimed(world)
                assert await outcome(world, one, NEVER)
                assert await states(world, letter) == ["accepted", "failed"]
            with case("the store is sound"):
                report = await audit(world.database, world.content, deep=True)
                assert report.findings == ()


async def _delete(tx: Tx, world: World, letter: Letter) -> None:
    for _ in range(2):
        await deletion.discard_copy(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=letter.inbox_id,
            message_id=letter.message_id,
            now=world.clock(),
        )


async def test_a_letter_whose_process_died_is_never_lost(engine: Engine) -> None:
    async with open_world(engine) as world:
        with cases() as case:
            with case("before the dot it waits again"):
                letter = await enqueued(world)
                (one,) = await claimed(world)
                assert await recovered(world) == ([], [])
                world.clock.advance(sending_queue.LEASE)
                assert not await dot(world, one)
                assert await recovered(world) == ([letter.message_id], [])
                assert await states(world, letter) == ["waiting", "waiting"]
            with case("who lost the lease writes neither dot nor outcome"):
                (again,) = await claimed(world, OTHERS)
                assert again.attempt == 2
                assert not await dot(world, one)
                assert not await outcome(world, one, TAKEN, TAKEN)
            with case("behind the dot it is unknown, and tried again in five minutes"):
                assert await dot(world, again, OTHERS)
                world.clock.advance(sending_queue.LEASE)
                assert await recovered(world) == ([], [letter.message_id])
                assert (await found(world, letter)).state == "unknown"
                assert await claimed(world) == []
                world.clock.advance(sending_queue.UNKNOWN_WAIT)
                (third,) = await claimed(world)
                assert third.content == one.content
            with case("an outcome that comes late counts where it is certain"):
                assert await dot(world, third)
                world.clock.advance(sending_queue.LEASE)
                assert await recovered(world) == ([], [letter.message_id])
                assert await outcome(world, third, TAKEN, LATER)
                assert await states(world, letter) == ["accepted", "unknown"]
                assert (await found(world, letter)).due_at is not None
                assert not await outcome(world, again, NEVER, NEVER)
                assert await outcome(world, third, NEVER, TAKEN)
                after = await found(world, letter)
                assert ([one.state for one in after.recipients], after.due_at) == (
                    ["accepted", "accepted"],
                    None,
                )
            with case("with `ask` it is not tried again by itself"):
                letter = await enqueued(world)
                (third,) = await claimed(world)
                assert await dot(world, third)
                world.clock.advance(sending_queue.LEASE)
                await recovered(world, ask=True)
                world.clock.advance(24 * HOUR)
                assert await claimed(world) == []
                assert (await found(world, letter)).state == "unknown"


async def test_a_letter_that_has_not_left_can_be_stopped(engine: Engine) -> None:
    async with open_world(engine) as world:
        with cases() as case:
            with case("a cancelled one never leaves, and lies in the trash"):
                letter = await enqueued(world)
                await cancel(world, letter)
                assert (await found(world, letter)).state == "cancelled"
                assert await claimed(world) == []
                assert len(await copies_in(world, SALES, folder="trash")) == 1
            with case("one under way cannot be cancelled"):
                letter = await enqueued(world)
                (one,) = await claimed(world)
                with pytest.raises(Conflict):
                    await cancel(world, letter)
            with case("but when no smarthost was asked"):
                now = world.clock()
                await world.database.write(
                    lambda tx: sending_queue.release(tx, [one], owner=US, due_at=now, now=now)
                )
                await cancel(world, letter)
                assert await claimed(world) == []
            with case("a held one leaves when it is released"):
                letter = await enqueued(world, held=True)
                assert (await found(world, letter)).state == "held"
                assert await claimed(world) == []
                now = world.clock()
                released = [
                    await world.database.write(
                        lambda tx: letters.release_held(
                            tx,
                            tenant_id=world.tenant_id,
                            message_id=letter.message_id,
                            approved_by=None,
                            send_at=now,
                            expires_at=now + HOUR,
                            now=now,
                        )
                    )
                    for _ in range(2)
                ]
                assert released == [True, False]
                assert len(await claimed(world)) == 1
            with case("a dropped one does not"):
                letter = await enqueued(world, held=True)
                dropped = await world.database.write(
                    lambda tx: letters.drop_held(
                        tx,
                        tenant_id=world.tenant_id,
                        message_id=letter.message_id,
                        now=world.clock(),
                    )
                )
                assert (dropped, (await found(world, letter)).state) == (True, "dropped")
                assert await claimed(world) == []


async def test_a_letter_is_never_both_taken_back_and_sent(engine: Engine) -> None:
    async with open_world(engine) as world:
        for number in range(20):
            letter = await enqueued(world)
            first, second = cancel(world, letter), claimed(world)
            order = (first, second) if number % 2 else (second, first)
            found = await asyncio.gather(*order, return_exceptions=True)
            refused = any(isinstance(one, Conflict) for one in found)
            taken = any(one for one in found if isinstance(one, list))
            assert refused == taken, "both, or neither"
            after = set(await states(world, letter))
            assert after == ({"sending"} if taken else {"cancelled"})
