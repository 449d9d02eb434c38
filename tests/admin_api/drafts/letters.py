"""Letters in a store as a send leaves them, for tests of what stands before the smarthost."""

from dataclasses import replace

from storage.clock import DAY, SECOND
from storage.database import Tx
from storage.drafts.approvals import request_approval
from storage.ids import from_text, to_text
from storage.outbound.letters import Kind, enqueue, find_letter
from tests.builders import FOREIGN_INBOX, SALES, World
from tests.storage.outbound.queued import new_letter


async def letter(
    world: World,
    *,
    thread: bytes | None = None,
    who: str = SALES,
    token: bool = True,
    held: bool = False,
    bcc: tuple[str, ...] = (),
) -> bytes:
    """Store a letter of an inbox, by its token or by a person; its message's id."""
    world.clock.advance(SECOND)
    now = world.clock()
    to: list[tuple[str, Kind]] = [("grace@sender.test", "to")]

    async def work(tx: Tx) -> bytes:
        message_id = tx.new_id()
        made = replace(
            new_letter(world, message_id, thread or tx.new_id()),
            tenant_id=world.raw[_tenant(who)],
            inbox_id=world.raw[who],
            token_id=world.raw[f"token of {who}"] if token else None,
            is_new_thread=thread is None,
            list_id=None,
            references=(),
            from_email=who.lower(),
            recipients=(*to, *((email, "bcc") for email in bcc)),
        )
        await enqueue(tx, made, send_at=now, expires_at=now + DAY, now=now, held=held)
        return message_id

    return await world.database.write(work)


def _tenant(who: str) -> str:
    return "Other" if who == FOREIGN_INBOX else "Example"


async def held_letter(
    world: World, *, who: str = SALES, thread: bytes | None = None, seen: bytes | None = None
) -> tuple[str, bytes]:
    """A letter of a token that waits for a person: the approval's id, and the message's."""
    message_id = await letter(world, who=who, thread=thread, held=True, bcc=("boss@example.test",))
    tenant_id = world.raw[_tenant(who)]

    async def work(tx: Tx) -> bytes:
        found = await find_letter(tx, tenant_id=tenant_id, message_id=message_id)
        return await request_approval(
            tx,
            tenant_id=tenant_id,
            inbox_id=world.raw[who],
            token_id=world.raw[f"token of {who}"],
            message_id=message_id,
            thread_id=found.thread_id,
            seen_message_id=seen,
            subject="Re: Hello",
            now=world.clock(),
        )

    return to_text("apr", await world.database.write(work)), message_id


async def states(world: World, message_id: bytes) -> set[str]:
    """The states of the letter's recipients."""
    found = await world.database.read(
        lambda tx: find_letter(tx, tenant_id=world.tenant_id, message_id=message_id)
    )
    return {one.state for one in found.recipients}


async def thread_id_of(world: World, message: str) -> bytes:
    """The thread of a message."""
    row = await world.database.read(
        lambda tx: tx.fetch_one(
            "SELECT thread_id FROM messages WHERE message_id = :id",
            {"id": from_text("msg", message)},
        )
    )
    assert row is not None
    return bytes(row["thread_id"])
