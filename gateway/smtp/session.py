"""One SMTP or LMTP session: its commands, and the reply to each.

- A recipient is resolved by the store at RCPT and again at the commit.
- 250 to the dot is sent when every copy is on stable storage; a fault of ours is a 4yz.
- One transaction serves one tenant.
- Limits belong to the session, not to a transaction, and do not hold for exempt networks.

RFC 5321; RFC 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034 (enhanced
status codes), 3207 (STARTTLS).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from config.logs import event
from gateway.smtp import replies
from gateway.smtp.command_arguments import (
    BadCommand,
    MailCommand,
    Path,
    parse_mail,
    parse_rcpt,
    parse_xforward,
)
from gateway.smtp.connection import Connection
from gateway.smtp.input_buffer import HangUp
from gateway.smtp.recipients import reply_for
from gateway.smtp.replies import Reply, ReplyCounts
from gateway.smtp.scheduling import Stage
from gateway.smtp.transaction import (
    Envelope,
    SessionContext,
    Transaction,
    sender_of,
    take_message,
)
from gateway.transport.networks import client_network, is_exempt
from gateway.transport.origin import Origin
from storage.delivery.arrivals import Recipient
from storage.directory.resolve import Resolution, Verdict
from storage.errors import StoreFull, StoreUnavailable

logger = logging.getLogger(__name__)

XFORWARD_KEYWORD = "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"


class Session:
    """One client's conversation, from the greeting to the end."""

    __slots__ = (
        "_connection",
        "_context",
        "_counts",
        "_envelope",
        "_exempt",
        "_forwarded",
        "_helo",
        "_network",
        "_origin",
        "_protocol",
        "_time",
        "_verbs",
        "id",
    )

    def __init__(
        self,
        context: SessionContext,
        connection: Connection,
        origin: Origin,
        *,
        exempt: bool,
        network: str,
    ) -> None:
        """`network` is what the client counts by."""
        self.id = os.urandom(5).hex()
        self._context = context
        self._connection = connection
        self._origin = origin
        self._exempt = exempt
        self._forwarded: dict[str, str] = {}
        self._network = network
        self._helo = ""
        self._protocol = "SMTP"
        self._envelope: Envelope | None = None
        self._counts = ReplyCounts()
        self._time = asyncio.get_running_loop().time
        self._verbs = _LMTP_VERBS if self._is_lmtp else _VERBS

    async def converse(self) -> None:
        """Until the client leaves or is told to. Raises HangUp with a last reply."""
        ends_at = self._time() + self._context.settings.session_cap
        try:
            # RFC 5321 4.3.1: a client waits for the greeting; programs that only send do not.
            if self._connection.spoke_early:
                raise HangUp(replies.TALKED_EARLY)
            self._connection.send(
                replies.greeting(
                    self._context.settings.hostname, "LMTP" if self._is_lmtp else "ESMTP"
                )
            )
            while await self._next():
                if self._envelope is None and self._time() > ends_at:
                    raise HangUp(replies.SESSION_TOO_LONG)
        finally:
            self._end_transaction()

    @property
    def _is_lmtp(self) -> bool:
        return self._origin.protocol == "LMTP"

    async def _next(self) -> bool:
        """Serve one command; False when there are no more."""
        self._connection.inbound.stage = self._stage
        command = await self._connection.read_command(self._patience())
        if command is None:
            return False
        reply: Reply | None
        if isinstance(command, Reply):
            reply = command
        elif (serve := self._verbs.get(command.verb)) is None:
            reply = replies.unknown(command.verb)
        else:
            reply = await self._guarded(serve(self, command.argument))
        if reply is not None:
            self._answer(reply)
        if not self._exempt and (last := self._counts.last_word()) is not None:
            raise HangUp(last)
        return True

    def _patience(self) -> float:
        """Seconds to wait for a command. Raises HangUp when MAIL was too long ago."""
        seconds = self._context.settings.command_timeout
        if self._envelope is None:
            return seconds
        left = self._envelope.until - self._time()
        if left <= 0:
            raise HangUp(replies.TRANSACTION_TOO_LONG)
        return min(seconds, left)

    @property
    def _stage(self) -> Stage:
        if self._envelope is None:
            return Stage.NOTHING
        return Stage.RECIPIENT_KNOWN if self._envelope.recipients else Stage.SENDER_KNOWN

    async def _guarded(self, served: Awaitable[Reply | None]) -> Reply | None:
        """Run a command; a fault becomes the reply that says so."""
        try:
            return await served
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
        self._counts.add(reply)

    # Greetings and commands without a transaction

    async def _hello(self, argument: bytes) -> Reply:
        if not self._greet(argument, "SMTP"):
            return replies.SYNTAX_HELO
        return replies.helo(self._context.settings.hostname)

    async def _extended_hello(self, argument: bytes) -> Reply | None:
        if not self._greet(argument, "LMTP" if self._is_lmtp else "ESMTP"):
            return replies.SYNTAX_HELO
        self._connection.send_greeting(
            replies.ehlo(self._context.settings.hostname, self._keywords())
        )
        return None

    def _keywords(self) -> list[str]:
        keywords = [*self._context.keywords]
        if self._offers_tls:
            keywords.append("STARTTLS")
        if self._exempt:
            keywords.append(XFORWARD_KEYWORD)
        return keywords

    @property
    def _offers_tls(self) -> bool:
        mode, certificate = self._context.settings.tls_mode, self._context.certificate
        is_plain = self._connection.tls_version is None and not self._origin.is_local
        return is_plain and certificate is not None and mode != "off"

    @property
    def _needs_tls(self) -> bool:
        """Whether mail may not be sent before STARTTLS; unix sockets count as encrypted."""
        if self._exempt or self._context.settings.tls_mode != "required":
            return False
        return self._connection.tls_version is None

    async def _starttls(self, argument: bytes) -> Reply | None:
        certificate = self._context.certificate
        if self._connection.tls_version is not None:
            return replies.TLS_ACTIVE
        if certificate is None or not self._offers_tls:
            return replies.NOT_IMPLEMENTED
        if argument.strip(b" "):
            return replies.NO_ARGUMENT
        self._end_transaction()
        # RFC 3207 4.2: what was said in the clear does not count; EHLO comes again.
        self._helo = ""
        self._connection.send(replies.READY_FOR_TLS)
        await self._connection.start_tls(certificate.context)
        return None

    async def _xforward(self, argument: bytes) -> Reply:
        """A relay of ours says where the next message came from."""
        if not self._exempt:
            return replies.XFORWARD_DENIED
        if not self._helo:
            return replies.HELO_FIRST
        if self._envelope is not None:
            return replies.XFORWARD_LATE
        self._forwarded |= parse_xforward(argument)
        return replies.OK

    def _greet(self, argument: bytes, protocol: str) -> bool:
        name = argument.strip(b" ")
        if not name or b" " in name or len(name) > 255 or not name.isascii():
            return False
        if not name.decode("ascii").isprintable():
            return False
        self._counts.idle_commands += bool(self._helo)
        self._end_transaction()
        self._helo = name.decode("ascii")
        self._protocol = protocol
        return True

    async def _rset(self, argument: bytes) -> Reply:
        if argument.strip(b" "):
            return replies.NO_ARGUMENT
        self._counts.idle_commands += 1
        self._end_transaction()
        return replies.OK

    async def _noop(self, argument: bytes) -> Reply:
        self._counts.idle_commands += 1
        return replies.OK

    async def _vrfy(self, argument: bytes) -> Reply:
        self._counts.idle_commands += 1
        # One answer for all: VRFY must not tell which addresses exist (RFC 5321 7.3).
        return replies.CANNOT_VERIFY if argument.strip(b" ") else replies.ARGUMENT_NEEDED

    async def _help(self, argument: bytes) -> Reply:
        self._counts.idle_commands += 1
        return replies.HELP

    async def _other_hello(self, argument: bytes) -> Reply:
        return replies.USE_LHLO if self._is_lmtp else replies.USE_EHLO

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
        if self._needs_tls:
            return replies.TLS_REQUIRED
        command = parse_mail(argument)
        if command.size is not None and command.size > self._context.settings.size_limit:
            return replies.TOO_LARGE
        if not self._context.space.has_room():
            return replies.NO_SPACE
        self._begin_transaction(command)
        return replies.SENDER_OK

    def _begin_transaction(self, command: MailCommand) -> None:
        self._context.space.reservations.begin()
        until = self._time() + self._context.settings.envelope_timeout
        self._envelope = Envelope(command.reverse_path, command.smtputf8, command.size, until)
        self._counts.idle_commands = 0

    def _end_transaction(self) -> None:
        self._forwarded = {}
        if self._envelope is not None:
            self._arrived()
            self._envelope = None

    def _arrived(self) -> None:
        if self._envelope is not None and self._envelope.under_way:
            self._envelope.under_way = False
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
        if self._context.space.reservations.full.holds(
            route.tenant_id, route.inbox_id, route.list_id
        ):
            return replies.OVER_QUOTA
        # The sender sends it by itself: no tenant's fault can hold another's mail up.
        if envelope.tenant_id not in (None, route.tenant_id):
            return replies.OTHER_TENANT
        # Last: a token is spent on a recipient that is accepted, on no other.
        if not await self._has_token(route):
            return replies.LIST_RATE
        envelope.tenant_id = route.tenant_id
        envelope.recipients.append(Recipient(path.raw, path.local_part, path.domain))
        envelope.routes.append(route)
        return replies.RECIPIENT_OK

    async def _has_token(self, route: Resolution) -> bool:
        """Whether the client's network may send one more message to this list."""
        rates, named = self._context.rates, self._forwarded.get("ADDR")
        if rates is None or route.list_id is None or route.rule == "postmaster":
            return True
        if named:  # of the client that a relay names, not of the relay
            network, exempt = client_network(named), is_exempt(self._context.settings, named)
        else:
            network, exempt = self._network, self._exempt
        if exempt or _is_postmaster(route.address):
            return True
        granted = rates.take(route.list_id, network)
        return granted if isinstance(granted, bool) else await granted

    def _log_refusal(self, path: Path, verdict: Verdict) -> None:
        event(
            logger,
            "refused",
            session=self.id,
            client=self._client_ip,
            rcpt=path.raw,
            verdict=verdict.value,
        )

    @property
    def _client_ip(self) -> str:
        """The client of this transaction: the one a relay of ours names, else the peer."""
        return self._forwarded.get("ADDR") or self._connection.client_ip

    async def _data(self, argument: bytes) -> Reply | None:
        envelope = self._envelope
        if argument.strip(b" "):
            return replies.NO_ARGUMENT
        if envelope is None:
            return replies.MAIL_FIRST
        if not envelope.recipients:
            return replies.NO_VALID_RECIPIENTS
        # Content that came before 354 could be read as commands, or commands as content.
        if self._connection.spoke_early:
            return replies.TALKED_EARLY
        claim = self._context.space.claim(
            self._network, envelope.declared_size, exempt=self._exempt
        )
        if claim is None:
            return replies.NO_SPACE
        self._connection.send(replies.START_DATA)
        sender = sender_of(
            self.id,
            self._connection,
            self._origin,
            self._context.settings,
            forwarded=self._forwarded,
            helo=self._helo,
            protocol=self._protocol,
            smtputf8=envelope.smtputf8,
            exempt=self._exempt,
        )
        transaction = Transaction(
            self._context, self._connection, envelope, sender, claim, self._counts
        )
        taking = take_message(transaction, self._arrived)
        try:
            if not self._is_lmtp:
                return await taking
            refusal = await self._guarded(taking)
            if refusal is not None:  # one for each recipient; the last as any other reply
                for _ in envelope.recipients[1:]:
                    self._connection.send(refusal)
            return refusal
        finally:
            claim.give_back()
            self._end_transaction()


def _is_postmaster(address: str) -> bool:
    return address.rpartition("@")[0].lower() == "postmaster"


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
    b"LHLO": Session._other_hello,
    b"STARTTLS": Session._starttls,
    b"XFORWARD": Session._xforward,
}
_LMTP_VERBS = _VERBS | {
    b"HELO": Session._other_hello,
    b"EHLO": Session._other_hello,
    b"LHLO": Session._extended_hello,
}
