"""The reparse job: messages stored before an upgrade are parsed once more, in the background.

- It gives way to mail: for each part of the time that it takes, twelve are left while mail streams
  in. It resumes after a restart (`storage.mailbox.reparse`).
- A process of its own parses, with the caps of every other message; it ends when all is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from config.logs import event
from gateway.background import LEFT_ALONE, keep_on, leave_to_mail
from gateway.jobs.fetching import fetch_some
from gateway.message.arrival import sender_and_mailboxes
from gateway.message.header_scan import scan
from gateway.parser.ipc import Request
from gateway.parser.process import ParserProcess, ParserUnavailable
from storage.clock import Clock
from storage.content.message_bytes import ContentDamaged, ContentDirectory
from storage.database import AcrossWrites
from storage.errors import StoreUnavailable
from storage.mailbox import reparse
from storage.mailbox.parse_queue import ParseClaim
from storage.mailbox.reparse import HeaderFields, ReparseBatch, Reparsed
from storage.message_format.header_grammar import MAX_OCTETS
from storage.message_format.mime_parts import Parsed
from storage.wakeup import WakeUp

logger = logging.getLogger("postroom.reparse")

BATCH = 10
_POLL_SECONDS = 30.0
_LONGEST_PAUSE = 2.0


async def run(
    database: AcrossWrites,
    contents: ContentDirectory,
    commits: WakeUp,
    clock: Clock,
    *,
    size_limit: int,
) -> None:
    """Parse once more what waits for it, until cancelled."""
    parser = ParserProcess(size_limit=size_limit)

    async def work_a_round() -> None:
        began = time.monotonic()
        if await one_batch(database, contents, parser, clock):
            took = time.monotonic() - began
            await leave_to_mail(commits, min(took * LEFT_ALONE, _LONGEST_PAUSE))
            return
        await parser.stop()
        await asyncio.sleep(_POLL_SECONDS)

    try:
        away = (StoreUnavailable, ParserUnavailable)
        await keep_on(work_a_round, logger, job="reparse", away=away)
    finally:
        await parser.stop()


async def one_batch(
    database: AcrossWrites, contents: ContentDirectory, parser: ParserProcess, clock: Clock
) -> bool:
    """Parse the next messages and keep what is found; whether there were any."""
    batch = await database.read(lambda tx: reparse.next_batch(tx, limit=BATCH))
    if batch is None:
        return False
    found = await _parsed(batch, contents, parser)
    try:
        await database.write_across(lambda tx: reparse.keep(tx, batch, found, now=clock()))
    except StoreUnavailable:
        raise
    except Exception as error:  # one of them is not such as the store can keep: they stay as before
        event(logger, "reparse_refused", level=logging.ERROR, cause=repr(error))
        await database.write_across(lambda tx: reparse.keep(tx, batch, (), now=clock()))
    return True


async def _parsed(
    batch: ReparseBatch, contents: ContentDirectory, parser: ParserProcess
) -> Sequence[Reparsed]:
    found: list[Reparsed] = []
    left = list(batch.claims)
    while left:
        async with contextlib.AsyncExitStack() as stack:
            try:
                paths = await fetch_some(stack, contents, left)
            except ContentDamaged:  # `postroom verify` tells of it
                left.pop(0)
                continue
            some = [*zip(left, paths, strict=False)]
            answers = await parser.parse([_request(*each) for each in some])
            for (claim, path), answer in zip(some, answers, strict=False):
                head = await asyncio.to_thread(_head, claim, path)
                if isinstance(answer, Parsed) and head is not None:
                    found.append(Reparsed(claim.message_id, _fields(head), answer))
        left = left[len(answers) :]
    return found


def _request(claim: ParseClaim, path: Path | None) -> Request:
    content = claim.content
    return Request(content.body or b"", None if path is None else str(path), content.size, True)


def _head(claim: ParseClaim, path: Path | None) -> bytes | None:
    if path is None:
        return (claim.content.body or b"")[:MAX_OCTETS]
    try:
        with path.open("rb") as file:
            return file.read(MAX_OCTETS)
    except OSError:
        return None  # `postroom verify` tells of it


def _fields(head: bytes) -> HeaderFields:
    found = scan(head)
    sender, mailboxes = sender_and_mailboxes(found)
    return HeaderFields(
        header_message_id=found.message_id,
        references=(*found.in_reply_to, *reversed(found.references)),
        from_name=sender.name,
        from_email=sender.email,
        subject=found.subject,
        mailboxes=mailboxes,
        automatic=found.auto,
    )
