"""What a client says, and what we answer: MAIL, RCPT, DATA and the rest.

- A recipient is judged by the store at RCPT and again at the commit.
- 250 to the dot is sent when every copy is on stable storage; a fault of ours is a 4yz.
- One transaction serves one tenant.
- Limits belong to the session, not to a transaction, and do not hold for exempt networks.

RFC 5321; RFC 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034 (enhanced
status codes).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter

from config.logs import event
from config.settings import Settings
from gateway.delivery.ports import DeliveryPort, EmptyListPort
from gateway.message import header_scan
from gateway.message.arrival import arrival
from gateway.smtp import loop_check, replies
from gateway.smtp.admission import Space
from gateway.smtp.command_arguments import BadCommand, MailCommand, Path, parse_mail, parse_rcpt
from gateway.smtp.connection import Command, Connection
from gateway.smtp.input_buffer import HangUp
from gateway.smtp.receive import Received, receive
from gateway.smtp.recipients import Recipients
from gateway.smtp.replies import Reply
from gateway.smtp.scheduling import Stage
from storage import ids
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.delivery.arrivals import Arrival, Outcome, Recipient, Repeated, RouteChanged, Stored
from storage.directory.resolve import Resolution, Verdict
from storage.errors import StoreFull, StoreUnavailable

logger = logging.getLogger(__name__)

_MAX_ERRORS = 20
_MAX_UNKNOWN = 20
_MAX_IDLE_COMMANDS = 100
_NOT_SMTP = (b"GET", b"POST", b"CONNECT", b"PUT")


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What all sessions of the process share."""

    settings: Settings
    recipients: Recipients
    contents: ContentDirectory
    deliverer: DeliveryPort
    space: Space
    deferred: EmptyListPort
    clock: Clock

    @property
    def keywords(self) -> tuple[str, ...]:
        """What EHLO offers."""
        size = f"SIZE {self.settings.size_limit}"
        return ("PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(slots=True)
class Envelope:
    """One transaction: begun by MAIL, filled by RCPT, ended by the reply to the dot or a reset."""

    reverse_path: Path | None
    smtputf8: bool
    reserved: int
    under_way: bool = True
    tenant_id: bytes | None = None
    recipients: list[Recipient] = field(default_factory=list)
    routes: list[Resolution] = field(default_factory=list)


_VERDICTS = {
    Verdict.ROUTE: replies.RECIPIENT_OK,
    Verdict.UNKNOWN: replies.NO_SUCH_RECIPIENT,
    Verdict.NOT_OURS: replies.RELAY_DENIED,
    Verdict.EMPTY_LIST: replies.LIST_EMPTY,
    Verdict.DOMAIN_REVOKED: replies.DOMAIN_REVOKED,
    Verdict.NO_POSTMASTER: replies.POSTMASTER_UNSET,
}


def reply_for(resolution: Resolution) -> Reply:
    """What RCPT answers to a recipient of which the store says this."""
    return _VERDICTS[resolution.verdict]


class Session:
    """One client's conversation, from the greeting to the end."""

    __slots__ = (
        "_connection",
        "_context",
        "_envelope",
        "_errors",
        "_exempt",
        "_helo",
        "_idle_commands",
        "_protocol",
        "_unknown",
        "id",
    )

    def __init__(self, context: SessionContext, connection: Connection, *, exempt: bool) -> None:
        self.id = os.urandom(5).hex()
        self._context = context
        self._connection = connection
        self._exempt = exempt
        self._helo = ""
        self._protocol = "SMTP"
        self._envelope: Envelope | None = None
        self._errors = self._unknown = self._idle_commands = 0

    async def converse(self) -> None:
        """Until the client leaves or is told to. Raises HangUp with a last reply."""
        ends_at = asyncio.get_running_loop().time() + self._context.settings.session_cap
        try:
            if self._connection.spoke_early:
                raise HangUp(replies.TALKED_EARLY)
            self._connection.send(replies.greeting(self._context.settings.hostname))
            while await self._next():
                if self._envelope is None and asyncio.get_running_loop().time() > ends_at:
                    raise HangUp(replies.SESSION_TOO_LONG)
        finally:
            self._end_transaction()

    async def _next(self) -> bool:
        """Serve one command; False when there are no more."""
        self._connection.inbound.stage = self._stage
        command = await self._connection.read_command(self._context.settings.command_timeout)
        if command is None:
            return False
        reply = command if isinstance(command, Reply) else await self._serve(command)
        if reply is not None:
            self._answer(reply)
        return True

    @property
    def _stage(self) -> Stage:
        if self._envelope is None:
            return Stage.NOTHING
        return Stage.RECIPIENT_KNOWN if self._envelope.recipients else Stage.SENDER_KNOWN

    async def _serve(self, command: Command) -> Reply | None:
        verb = command.verb
        serve = _VERBS.get(verb)
        if serve is None:
            if verb and (verb in _NOT_SMTP or not verb.isalpha()):
                return replies.NOT_SMTP
            return replies.COMMAND_UNKNOWN
        try:
            return await serve(self, command.argument)
        except BadCommand as error:
            return error.reply
        except StoreFull as error:
            self._log_fault("store_full", error)
            return replies.NO_SPACE
        except StoreUnavailable as error:
            self._log_fault("store_unavailable", error)
            return replies.STORE_UNAVAILABLE
        except HangUp:
            raise
        except Exception:  # a bug: the sender keeps the message, the log has the cause
            logger.exception("fault in session %s", self.id)
            return replies.FAULT

    def _log_fault(self, word: str, error: Exception) -> None:
        event(logger, word, level=logging.WARNING, session=self.id, cause=str(error))

    def _answer(self, reply: Reply) -> None:
        if reply.closes:
            raise HangUp(reply)
        self._connection.send(reply)
        if self._exempt:
            return
        self._errors += reply.permanent
        self._unknown += reply is replies.NO_SUCH_RECIPIENT
        if self._unknown >= _MAX_UNKNOWN:
            raise HangUp(replies.TOO_MANY_UNKNOWN)
        if self._errors >= _MAX_ERRORS:
            raise HangUp(replies.TOO_MANY_ERRORS)
        if self._idle_commands >= _MAX_IDLE_COMMANDS:
            raise HangUp(replies.TOO_MANY_IDLE_COMMANDS)

    # Greetings and small talk

    async def _hello(self, argument: bytes) -> Reply:
        if not self._greet(argument, "SMTP"):
            return replies.SYNTAX_HELO
        return replies.helo(self._context.settings.hostname)

    async def _extended_hello(self, argument: bytes) -> Reply | None:
        if not self._greet(argument, "ESMTP"):
            return replies.SYNTAX_HELO
        self._connection.send_greeting(
            replies.ehlo(self._context.settings.hostname, self._context.keywords)
        )
        return None

    def _greet(self, argument: bytes, protocol: str) -> bool:
        name = argument.strip(b" ")
        if not name or b" " in name or len(name) > 255 or not name.isascii():
            return False
        if not name.decode("ascii").isprintable():
            return False
        self._idle_commands += bool(self._helo)
        self._end_transaction()
        self._helo = name.decode("ascii")
        self._protocol = protocol
        return True

    async def _rset(self, argument: bytes) -> Reply:
        if argument.strip(b" "):
            return replies.NO_ARGUMENT
        self._idle_commands += 1
        self._end_transaction()
        return replies.OK

    async def _noop(self, argument: bytes) -> Reply:
        self._idle_commands += 1
        return replies.OK

    async def _vrfy(self, argument: bytes) -> Reply:
        self._idle_commands += 1
        return replies.CANNOT_VERIFY if argument.strip(b" ") else replies.ARGUMENT_NEEDED

    async def _help(self, argument: bytes) -> Reply:
        self._idle_commands += 1
        return replies.HELP

    async def _not_implemented(self, argument: bytes) -> Reply:
        return replies.NOT_IMPLEMENTED

    async def _bdat(self, argument: bytes) -> Reply:
        return replies.BDAT_NOT_OFFERED

    async def _quit(self, argument: bytes) -> Reply:
        return replies.NO_ARGUMENT if argument.strip(b" ") else replies.GOODBYE

    # The transaction

    async def _mail(self, argument: bytes) -> Reply:
        if not self._helo:
            return replies.HELO_FIRST
        if self._envelope is not None:
            return replies.MAIL_NESTED
        command = parse_mail(argument)
        if command.size is not None and command.size > self._context.settings.size_limit:
            return replies.TOO_LARGE
        if not self._context.space.has_room():
            return replies.NO_SPACE
        self._begin_transaction(command)
        return replies.SENDER_OK

    def _begin_transaction(self, command: MailCommand) -> None:
        reserved = command.size or 0
        self._context.space.reservations.begin(reserved)
        self._envelope = Envelope(command.reverse_path, command.smtputf8, reserved)
        self._idle_commands = 0

    def _end_transaction(self) -> None:
        if self._envelope is not None:
            self._arrived(self._envelope)
            self._context.space.reservations.give_back(self._envelope.reserved)
            self._envelope = None

    def _arrived(self, envelope: Envelope) -> None:
        if envelope.under_way:
            envelope.under_way = False
            self._context.space.reservations.arrived()

    async def _rcpt(self, argument: bytes) -> Reply:
        envelope = self._envelope
        if envelope is None:
            return replies.MAIL_FIRST
        path = parse_rcpt(argument, smtputf8=envelope.smtputf8).forward_path
        if len(envelope.recipients) >= self._context.settings.max_recipients:
            return replies.TOO_MANY_RECIPIENTS
        route = await self._context.recipients.resolve(path.local_part, path.domain)
        if route.verdict is not Verdict.ROUTE:
            self._log_refusal(path, route.verdict)
            if route.verdict is Verdict.EMPTY_LIST and route.list_id is not None:
                self._context.deferred.note(route.list_id)
            return reply_for(route)
        if envelope.tenant_id not in (None, route.tenant_id):
            return replies.OTHER_TENANT
        envelope.tenant_id = route.tenant_id
        envelope.recipients.append(Recipient(path.raw, path.local_part, path.domain))
        envelope.routes.append(route)
        return replies.RECIPIENT_OK

    def _log_refusal(self, path: Path, verdict: Verdict) -> None:
        event(
            logger,
            "refused",
            session=self.id,
            client=self._connection.client_ip,
            rcpt=path.raw,
            verdict=verdict.value,
        )

    async def _data(self, argument: bytes) -> Reply | None:
        envelope = self._envelope
        if argument.strip(b" "):
            return replies.NO_ARGUMENT
        if envelope is None:
            return replies.MAIL_FIRST
        if not envelope.recipients:
            return replies.NO_VALID_RECIPIENTS
        if self._connection.spoke_early:
            return replies.TALKED_EARLY
        self._connection.send(replies.START_DATA)
        try:
            return await self._take_message(envelope)
        finally:
            self._end_transaction()

    async def _take_message(self, envelope: Envelope) -> Reply | None:
        context = self._context
        received = await receive(
            self._connection, context.settings, context.contents, context.space, context.clock
        )
        if isinstance(received, Reply):
            return received
        ended_at = perf_counter()
        try:
            judged = self._judge(envelope, received)
        except Exception:
            received.discard()
            raise
        if isinstance(judged, Reply):
            received.discard()
            return judged
        self._arrived(envelope)
        size, held = received.content.size, len(received.content.body or b"")
        waiting = context.deliverer.submit(judged, received.spool)
        del received, judged  # the bytes are another process's now, or soon the store's
        context.space.held += held
        self._connection.tell_of_loss(lambda: context.deliverer.withdraw(waiting))
        try:
            outcome = await waiting
        finally:
            self._connection.tell_of_loss(None)
            context.space.held -= held
        return await self._report(envelope, size, outcome, perf_counter() - ended_at)

    def _judge(self, envelope: Envelope, received: Received) -> Arrival | Reply:
        """The message as it will be stored, or the reply that refuses it."""
        scan = header_scan.scan(received.head)
        lists = [route.address for route in envelope.routes]
        hostname = self._context.settings.hostname
        refusal = loop_check.check_hops(scan, lists, hostname)
        return refusal or arrival(
            scan,
            received.content,
            tenant_id=envelope.routes[0].tenant_id,
            recipients=envelope.recipients,
            reverse_path=envelope.reverse_path.raw if envelope.reverse_path else "",
            client_ip=self._connection.client_ip,
            helo=self._helo,
            protocol="UTF8SMTP" if envelope.smtputf8 else self._protocol,
            hostname=hostname,
            transaction_id=self.id,
            now=self._context.clock(),
        )

    async def _report(
        self, envelope: Envelope, size: int, outcome: Outcome, seconds: float
    ) -> Reply | None:
        if isinstance(outcome, RouteChanged):
            return replies.ROUTE_CHANGED
        assert isinstance(outcome, Stored | Repeated)
        message = ids.to_text("msg", outcome.message_id)
        try:
            await self._connection.send_accepted(
                replies.accepted(message),
                outcome.digests,
                seconds=self._context.settings.command_timeout,
            )
        finally:  # it is stored, whether or not the reply could be given
            event(
                logger,
                "accepted" if isinstance(outcome, Stored) else "repeated",
                session=self.id,
                message=message,
                client=self._connection.client_ip,
                sender=envelope.reverse_path.raw if envelope.reverse_path else "",
                rcpt=[recipient.text for recipient in envelope.recipients],
                size=size,
                ms=round(seconds * 1000, 1),
            )
        return None


_VERBS: dict[bytes, Callable[[Session, bytes], Awaitable[Reply | None]]] = {
    b"HELO": Session._hello,
    b"EHLO": Session._extended_hello,
    b"MAIL": Session._mail,
    b"RCPT": Session._rcpt,
    b"DATA": Session._data,
    b"RSET": Session._rset,
    b"NOOP": Session._noop,
    b"QUIT": Session._quit,
    b"VRFY": Session._vrfy,
    b"EXPN": Session._not_implemented,
    b"HELP": Session._help,
    b"BDAT": Session._bdat,
}
