"""Letters in the store's queue, for tests."""

import hashlib
from dataclasses import replace

from storage.clock import HOUR
from storage.content.message_bytes import Content
from storage.database import Tx
from storage.directory.address_tokens import new_token
from storage.outbound import letters, sending_queue
from storage.outbound.letters import Letter, NewLetter
from storage.outbound.sending_queue import SendingClaim
from tests.builders import SALES, TEAM, World

BODY = b"Subject: Re: Hello\r\n\r\nGood evening.\r\n"
US, OTHERS = b"u" * 16, b"o" * 16


def new_letter(world: World, message_id: bytes, thread_id: bytes) -> NewLetter:
    return NewLetter(
        tenant_id=world.tenant_id,
        inbox_id=world.raw[SALES],
        user_id=None,
        token_id=world.raw[f"token of {SALES}"],
        thread_id=thread_id,
        is_new_thread=True,
        list_id=world.raw[TEAM],
        message_id=message_id,
        header_message_id="out@example.test",
        references=("thread@example.test", "out@example.test"),
        from_name="Everybody",
        from_email=TEAM,
        domain="example.test",
        subject="Re: Hello",
        mailboxes=b'{"to":[["","grace@sender.test"]],"cc":[]}',
        recipients=(("grace@sender.test", "to"), ("blind@sender.test", "bcc")),
        content=Content(hashlib.sha256(BODY).digest(), len(BODY), BODY, None),
        call={"text_body": "Good evening."},
        bounce_token=new_token(),
    )


async def enqueued(world: World, *, wait: int = 0, held: bool = False) -> Letter:
    async def work(tx: Tx) -> Letter:
        thread_id, message_id = tx.new_id(), tx.new_id()
        letter = new_letter(world, message_id, thread_id)
        now = world.clock()
        letter = replace(letter, header_message_id=f"{message_id.hex()}@example.test")
        await letters.enqueue(
            tx, letter, send_at=now + wait, expires_at=now + 24 * HOUR, now=now, held=held
        )
        return await letters.find_letter(tx, tenant_id=world.tenant_id, message_id=message_id)

    return await world.database.write(work)


async def claimed(world: World, owner: bytes = US) -> list[SendingClaim]:
    now = world.clock()
    return await world.database.write(
        lambda tx: sending_queue.claim(tx, owner=owner, limit=10, now=now)
    )
