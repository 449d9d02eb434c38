"""From a plan to the octets of a letter.

- A small letter is written in the transaction that queues it, which gives its id. A large one goes
  to where large contents are stored before, with an id that was drawn for it.
- The text that is quoted is that of the answered message as this inbox sees it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from email.utils import getaddresses
from typing import NamedTuple

from admin_api.access.credentials import Agent
from admin_api.call.call import Call
from admin_api.http.problems import Problem
from admin_api.mailbox.header_fields import head_of, header_fields
from admin_api.outbound import composer
from admin_api.outbound.composer import Heading
from admin_api.outbound.letter_in import LetterIn, sendable
from admin_api.outbound.letter_plan import Plan, on_one_line
from admin_api.outbound.senders import ours_of, recipients_of_answer
from storage.address import canonical_or_none
from storage.content.message_bytes import Content, new_content_id
from storage.directory.address_tokens import new_token, reply_address, reply_reference
from storage.drafts.uploads import Upload
from storage.errors import FieldFault, Invalid
from storage.ids import to_text
from storage.mailbox.copies import Mailbox
from storage.mailbox.message_text import read_letter
from storage.outbound.letters import MOST_RECIPIENTS, Kind

# As long as ids: those of a new message and thread are known in the transaction.
_PLACE = "msg_" + "0" * 26
_THREAD_PLACE = "thr_" + "0" * 26
# The parser has its Reply-To and its text later, or never.
_NOT_READ = ("pending", "unparsed")
_NAMES = re.compile(r'"(?:[^"\\]|\\.)*+"?|\([^()]*+\)?')
_LONGEST_LIST = 10_000


class Ids(NamedTuple):
    """The ids of a letter, and of the thread that it begins or answers in."""

    message: bytes
    thread: bytes


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter but for its ids: `rest` is its body, or `files` follow it.

    `tokens` are the names by which answers to its Reply-To find its thread.
    """

    heading: Heading
    bcc: tuple[Mailbox, ...]
    answered: tuple[str, ...]
    body: bytes
    tokens: tuple[str, ...] = ()

    @property
    def recipients(self) -> list[tuple[str, Kind, Mailbox]]:
        """Every recipient once, in the order of To, Cc, Bcc."""
        found: dict[str, tuple[str, Kind, Mailbox]] = {}
        groups: tuple[tuple[Kind, Sequence[Mailbox]], ...] = (
            ("to", self.heading.to),
            ("cc", self.heading.cc),
            ("bcc", self.bcc),
        )
        for kind, mailboxes in groups:
            for one in mailboxes:
                found.setdefault(canonical_or_none(one.email) or one.email, (one.email, kind, one))
        return [*found.values()]


async def compose(
    call: Call, payload: LetterIn, plan: Plan, typed: Mapping[Kind, list[Mailbox]]
) -> Composed:
    """Read what is answered, and write the letter but for its ids. Raises Invalid on `to`."""
    to, cc = [*typed["to"]], [*typed["cc"]]
    subject, text, html = plan.subject, plan.text, payload.html_body
    in_reply_to: str | None = None
    earlier: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    if plan.answered is not None:
        copy, content, outline, ours = plan.answered
        contents = call.service.content
        async with aclosing(contents.chunks(content)) as chunks:
            head = _first_of_each(await head_of(chunks))
        in_reply_to, earlier = _ids_of(head)
        letter = await read_letter(contents, content, outline)
        named = [Mailbox(name, email) for name, email in letter.reply_to]
        if copy.parse_status in _NOT_READ:
            named = mailboxes_named(head.get("reply-to", ""))
            emails = [one.email for one in named]
            ours = ours | await call.database.read(
                lambda tx: ours_of(tx, tenant_id=call.tenant_id, addresses=emails)
            )
        found, others = recipients_of_answer(copy, named, ours, reply_all=payload.reply_all)
        answered = tuple(one.email for one in [*found, *others])
        to = to or _reachable(found)
        cc = [*cc, *_reachable(others)]
        subject = subject or composer.reply_subject(on_one_line(copy.subject))
        if payload.quote == "last" and letter.text:
            quotation = composer.quoted(letter.text, author=copy.sender, date=copy.received_at)
            text = f"{text.rstrip()}\n\n{quotation}" if text or not html else text
    # Also in a letter that begins a thread: by this its answers join when its own id was replaced.
    own_thread = f"{_THREAD_PLACE}@{plan.sender.domain}"
    references = composer.references_of(own_thread, earlier, in_reply_to)
    reply_to, tokens = _answers_go_to(call, plan)
    heading = Heading(
        author=plan.sender.mailbox,
        reply_to=reply_to,
        to=tuple(to),
        cc=tuple(cc),
        subject=subject,
        message_id=f"{_PLACE}.{composer.new_boundary()[2:14]}@{plan.sender.domain}",
        in_reply_to=in_reply_to,
        references=references,
        date=call.now,
        is_automatic=is_automatic(call),
    )
    # In a thread: two times 200,000 characters take a while to encode, and mail waits meanwhile.
    body = await asyncio.to_thread(composer.body_of, text, html)
    composed = _without_doubles(Composed(heading, tuple(typed["bcc"]), answered, body, tokens))
    if not composed.recipients:
        raise Invalid(FieldFault("to", "must name a recipient: the message names none to answer"))
    if len(composed.recipients) > MOST_RECIPIENTS:
        raise Invalid(
            FieldFault("to", f"must be {MOST_RECIPIENTS} recipients at most, with Cc, Bcc")
        )
    return composed


def _answers_go_to(call: Call, plan: Plan) -> tuple[str | None, tuple[str, ...]]:
    """Reply-To, and the names of the token in it: with it answers find the thread by themselves."""
    own = plan.sender.reply_to
    if call.service.settings.return_path != "verp":
        return own, ()
    token = new_token()
    with_token = reply_address(own or plan.sender.mailbox.email, token)
    return (own, ()) if with_token is None else (with_token, (reply_reference(token),))


def is_automatic(call: Call) -> bool:
    """Whether nobody read it: a token sends it, and it needs no approval."""
    caller = call.caller
    return isinstance(caller, Agent) and "email:send" not in caller.token.sending.requires_approval


def _reachable(found: Sequence[Mailbox]) -> list[Mailbox]:
    """Keep the mailboxes of a header that an envelope can name."""
    kept = []
    for one in found:
        try:
            kept.append(Mailbox(on_one_line(one.name), sendable(one.email)))
        except ValueError:
            continue
    return kept


def _without_doubles(letter: Composed) -> Composed:
    kept = letter.recipients
    chosen = {
        kind: tuple(mailbox for _, one, mailbox in kept if one == kind)
        for kind in ("to", "cc", "bcc")
    }
    heading = replace(letter.heading, to=chosen["to"], cc=chosen["cc"])
    return replace(letter, heading=heading, bcc=chosen["bcc"])


def _first_of_each(head: bytes) -> dict[str, str]:
    """Map the name of each field in a header, in lower case, to its first value."""
    found: dict[str, str] = {}
    for field in header_fields(head):
        found.setdefault(str(field["name"]).lower(), str(field["value"]))
    return found


def mailboxes_named(value: str) -> list[Mailbox]:
    """Return the addresses in a field of a message that is not parsed, without their names.

    A text in quotes or in a comment is a name, whatever it looks like.
    """
    plain = _NAMES.sub(" ", value[:_LONGEST_LIST])
    found = [email for _, email in getaddresses([plain]) if "@" in email]
    return [Mailbox("", email) for email in found[:MOST_RECIPIENTS]]


def _ids_of(head: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the Message-ID of a message, and the ids of its References."""
    own = _ids(head.get("message-id", ""))
    return (own[0] if own else None), _ids(head.get("references", ""))


def _ids(text: str) -> tuple[str, ...]:
    parts = (part.partition(">")[0] for part in text.split("<")[1:])
    return tuple(
        one
        for one in parts
        # A stranger's ids go into our header: no octet of theirs may end or fold a field.
        if "@" in one and len(one) <= 250 and one.isascii() and one.isprintable() and " " not in one
    )


async def spooled(call: Call, letter: Composed, files: Sequence[Upload], ids: Ids) -> Content:
    """Write a letter that is large to where large contents are stored."""
    digest, size = hashlib.sha256(), 0
    contents = call.service.content
    spool = contents.new_spool(new_content_id(call.now))
    try:
        async for part in _parts(call, letter, files, ids):
            digest.update(part)
            size += len(part)
            await asyncio.to_thread(spool.write, [part])
        await asyncio.to_thread(spool.finish)
        if size > call.service.settings.size_limit:
            raise Problem(413, "letter_too_large", "The letter is larger than this server sends.")
        return await contents.keep(spool, Content(digest.digest(), size, None, None), now=call.now)
    except BaseException:
        # BaseException: also when the client hangs up, as then nothing will ever name this file.
        spool.discard()
        raise


async def _parts(
    call: Call, letter: Composed, files: Sequence[Upload], ids: Ids
) -> AsyncIterator[bytes]:
    if not files:
        yield octets_of(letter, ids)
        return
    header = _header(letter, ids)
    boundary = composer.new_boundary()
    yield header + composer.mixed_head(boundary, letter.body)
    for one in files:
        yield composer.file_head(boundary, filename=one.filename, content_type=one.content_type)
        left = b""
        async with aclosing(call.service.content.chunks(one.content)) as chunks:
            async for chunk in chunks:
                left += chunk
                whole = len(left) // composer.BASE64_CHUNK * composer.BASE64_CHUNK
                if whole:
                    yield await asyncio.to_thread(composer.encoded, left[:whole])
                    left = left[whole:]
        yield composer.encoded(left)
    yield composer.mixed_end(boundary)


def octets_of(letter: Composed, ids: Ids) -> bytes:
    """Write a letter without files."""
    return _header(letter, ids) + letter.body


def _header(letter: Composed, ids: Ids) -> bytes:
    own = header_message_id(letter, ids.message)
    thread, *others = letter.heading.references
    thread = thread.replace(_THREAD_PLACE, to_text("thr", ids.thread), 1)
    heading = replace(letter.heading, message_id=own, references=(thread, *others))
    return composer.header_of(heading)


def header_message_id(letter: Composed, message_id: bytes) -> str:
    """Return the letter's Message-ID, now that its id is known."""
    return letter.heading.message_id.replace(_PLACE, to_text("msg", message_id), 1)


def thread_reference(thread_id: bytes, domain: str) -> str:
    """Return the thread's own id in References, by which answers find it."""
    return f"{to_text('thr', thread_id)}@{domain}"
