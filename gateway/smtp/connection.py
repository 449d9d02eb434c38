"""One SMTP connection: bytes in, replies out. `gateway.smtp.session` gives them their meaning.

- aiosmtpd's protocol is the base: connection, session and envelope. Its reading of commands and of
  DATA is replaced: commands are bytes, DATA is read in chunks, and the end of a peer's stream never
  cancels what is being done for it.
- Replies wait until the gateway would wait for the peer, so that a pipelined group of commands is
  answered in one write (RFC 2920 3.2). A peer that sends and does not read is not read either: no
  further command is served before its replies have left us, and it is dropped when that lasts.
- However many commands lie here, other connections get their turn after a few of them.
- With TLS, records are decrypted as they come and encrypted as replies are written; a handshake
  that fails or takes too long closes the connection.
- A reply is handed to the kernel immediately. From the reply to the dot on, the first byte that
  was not already on its way confirms that the sender has seen it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import ssl
import struct
import termios
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, cast

from aiosmtpd.smtp import SMTP

from config.logs import event
from gateway.counters import Counters
from gateway.delivery.ports import ConfirmationPort
from gateway.smtp import replies
from gateway.smtp.input_buffer import HangUp, Inbound
from gateway.smtp.replies import Reply
from gateway.smtp.scheduling import SessionQueue, Stage
from gateway.transport.tls import HANDSHAKE_SECONDS, TlsRecords

logger = logging.getLogger(__name__)

COMMAND_LIMIT = 2048
_SKIP_LIMIT = 1024 * 1024
_LINGER_SECONDS = 2.0
_LINGER_OCTETS = 16 * 1024 * 1024
_CLOSE_SECONDS = 10.0
_MOST_UNSENT = 16 * 1024
_COMMANDS_A_TURN = 25


class Command(NamedTuple):
    """One command line: the verb in upper case, and what follows it and a space."""

    verb: bytes
    argument: bytes


class _NoHooks:
    """A handler without hooks: aiosmtpd looks at every attribute of the one it is given, twice."""

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        return ()


class Connection(SMTP):
    """The wire side of one client. `converse` is called with it once it is connected."""

    def __init__(
        self,
        converse: Callable[[Connection], Coroutine[Any, Any, None]],
        closed: Callable[[Connection], None],
        *,
        confirmations: ConfirmationPort,
        counters: Counters,
        hostname: str,
        loop: asyncio.AbstractEventLoop,
        queue: SessionQueue,
        client_ip: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` says that the client begins with a handshake."""
        super().__init__(_NoHooks(), hostname=hostname, ident="ESMTP", loop=loop)
        self._converse = converse
        self._closed_callback = closed
        self._confirmations = confirmations
        self._counters = counters
        self._out: list[bytes] = []
        self._unsent = 0
        self._served = 0
        self._descriptor = -1
        self._unconfirmed: Sequence[bytes] = ()
        self._confirmed_above = 0
        self._on_gone: Callable[[], None] | None = None
        self._draining = False
        self._wire: asyncio.Transport | None = None
        self.inbound = Inbound(loop, queue)
        self.client_ip = client_ip
        self._tls: TlsRecords | None = None
        self._handshake: asyncio.Future[None] | None = None
        if tls is not None:
            self._expect_handshake(tls)

    def __dir__(self) -> Iterable[str]:
        """Nothing to find: aiosmtpd searches each new connection for commands and AUTH by name.

        The commands are `gateway.smtp.session`'s and AUTH is not offered, so the search, a third of
        what a connection costs, has no use.
        """
        return ()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        self._descriptor = wire.get_extra_info("socket").fileno()
        self._wire = wire
        self.inbound.attach(wire)
        # Then `drain` waits for the last octet, and a peer that does not read is noticed.
        wire.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            data = self._decrypted(self._tls, data)
            if not data:
                return
        self.inbound.feed(data)
        if self._unconfirmed and self.inbound.total > self._confirmed_above:
            self._confirmations.confirm(self._unconfirmed)
            self._unconfirmed = ()

    def eof_received(self) -> bool:
        self.inbound.feed_eof()
        self._fail_handshake()
        self._gone()
        # Stay half open: a client that ends its stream behind QUIT still gets its replies.
        return True

    def _decrypted(self, tls: TlsRecords, octets: bytes) -> bytes:
        """Decrypt a peer's records; nothing once they are wrong, which ends the connection."""
        try:
            plain = tls.decrypt(octets)
        except ssl.SSLError as error:
            event(logger, "tls_failed", client=self.client_ip, cause=error.reason or str(error))
            self._write_records(tls.take_outgoing())
            self._fail_handshake()
            self.inbound.hang_up(None)
            return b""
        self._write_records(tls.take_outgoing())
        if tls.established and self._handshake is not None and not self._handshake.done():
            self._handshake.set_result(None)
        if tls.ended:
            self.loop.call_soon(self.eof_received)  # behind what came before
        return plain

    def _fail_handshake(self) -> None:
        if self._handshake is not None and not self._handshake.done():
            self._handshake.set_exception(HangUp(None))

    def connection_lost(self, error: Exception | None) -> None:
        self._descriptor = -1
        self._fail_handshake()
        self.inbound.hang_up(None)
        self._settle()
        self._gone()
        self._wire = self.transport = None
        super(SMTP, self).connection_lost(error)
        self._closed_callback(self)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """The listener watches `inbound.deadline` of all connections; no timer for each."""

    async def _handle_client(self) -> None:
        try:
            if self._handshake is not None:
                await self._finish_handshake(self._handshake)
            await self._converse(self)
        except HangUp as over:
            if over.reply is not None:
                self.send(over.reply)
                await self._linger()
        except Exception:  # a bug: the peer keeps its mail, the log has the cause
            logger.exception("fault in a connection")
            self.send(replies.FAULT_CLOSING)
        finally:
            try:
                self.flush()
            finally:  # whatever happens: nobody else ends it, not even when its peer is gone
                self._settle()
                self._close()

    def _close(self) -> None:
        """End the connection; what was said last has a moment to leave us."""
        if self._wire is not None:
            if self._tls is not None:
                self._write_records(self._tls.close())
            self._wire.close()
            if self._wire.get_write_buffer_size():
                self.loop.call_later(_CLOSE_SECONDS, self.abort)

    async def _linger(self) -> None:
        """Let a peer that is still talking read our last word: a close now would reset it away.

        No more is read for that than can have been on its way when we said it.
        """
        self.flush()
        wire = self._wire
        if wire is None or wire.is_closing() or not (self.spoke_early and wire.can_write_eof()):
            return
        if self._tls is not None:
            self._write_records(self._tls.close())
        wire.write_eof()
        left = _LINGER_OCTETS
        with contextlib.suppress(HangUp, TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0:
                    left -= len(await self.read_chunk(_LINGER_SECONDS))

    def _settle(self) -> None:
        if self._unconfirmed:
            self._confirmations.close(self._unconfirmed)
            self._unconfirmed = ()

    def _gone(self) -> None:
        if self._on_gone is not None:
            self._on_gone()

    # What the listener calls

    def drain(self) -> None:
        """Ask the session to end: at once when it waits for a command, else after its message."""
        self._draining = True
        self._fail_handshake()
        if self.inbound.waiting and self.inbound.stage is not Stage.CONTENT:
            self.inbound.hang_up(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Drop the connection now."""
        if self._wire is not None:
            self._wire.abort()

    # What the session calls

    @property
    def spoke_early(self) -> bool:
        """Whether the peer has sent anything that was not asked for yet."""
        return len(self.inbound) > 0 or self._readable() > 0

    @property
    def tls_version(self) -> str | None:
        """The version of TLS in use, such as `TLSv1.3`."""
        return self._tls.version if self._tls is not None else None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Say what was answered so far, drop what came with the command, and shake hands.

        Raises HangUp when that fails.
        """
        self.flush()
        # CVE-2011-0411: commands sent in the clear must not count as sent under TLS.
        self.inbound.take()
        self._expect_handshake(context)
        assert self._handshake is not None
        await self._finish_handshake(self._handshake)

    def _expect_handshake(self, context: ssl.SSLContext) -> None:
        self._tls = TlsRecords(context)
        self._handshake = self.loop.create_future()

    async def _finish_handshake(self, handshake: asyncio.Future[None]) -> None:
        if self.inbound.ended or self._wire is None:
            self._fail_handshake()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await handshake
        except TimeoutError as error:
            event(logger, "tls_failed", client=self.client_ip, cause="time-out")
            raise HangUp(None) from error
        finally:
            self._handshake = None

    async def read_command(self, seconds: float) -> Command | Reply | None:
        """The next command, or the reply to a line that is none, or None at the end of the stream.

        It must be there in whole after so many seconds: octet by octet it could take days. Raises
        HangUp.
        """
        until = self.loop.time() + seconds
        line = await self._read_line(until)
        if line is None:
            return None
        if not line.endswith(b"\r\n"):
            if line.endswith(b"\n"):
                return replies.COMMAND_BARE_LF
            await self._skip_line(until)
            return replies.COMMAND_TOO_LONG
        verb, _, argument = line[:-2].partition(b" ")
        return Command(verb.upper(), argument)

    async def _read_line(self, until: float) -> bytes | None:
        self._served += 1
        if self._served >= _COMMANDS_A_TURN or self._unsent >= _MOST_UNSENT:
            await self._take_turns(until)
        while True:
            line = self.inbound.take_line(COMMAND_LIMIT)
            if line is not None:
                return line
            self.flush()
            if self._is_slow:
                await self._await_room(until)
                continue
            self._served = 0
            if self._draining:
                raise HangUp(replies.SHUTTING_DOWN)
            if not await self.inbound.more(until - self.loop.time()):
                return None

    async def _take_turns(self, until: float) -> None:
        """Let other connections be served, and our replies leave, before the next of many lines."""
        if self._unsent >= _MOST_UNSENT:
            self.flush()
            if self._is_slow:
                await self._await_room(until)
        if self._served >= _COMMANDS_A_TURN:
            self._served = 0
            await asyncio.sleep(0)

    @property
    def _is_slow(self) -> bool:
        """Whether the kernel takes no more of our replies."""
        return self._wire is not None and self._wire.get_write_buffer_size() > 0

    async def _await_room(self, until: float) -> None:
        """Wait until the kernel takes more of our replies.

        Raises HangUp when the peer is gone, or has not read them until then.
        """
        try:
            async with asyncio.timeout_at(until):
                await self._writer.drain()
        except OSError as error:  # the connection broke, or the time is over
            self.abort()
            raise HangUp(None) from error

    async def _skip_line(self, until: float) -> None:
        """Pass over the rest of a line that is too long, holding none of it."""
        skipped = 0
        while skipped < _SKIP_LIMIT:
            line = await self._read_line(until)
            if line is None or line.endswith(b"\n"):
                return
            skipped += len(line)
        raise HangUp(replies.TOO_MANY_ERRORS)

    async def read_chunk(self, seconds: float) -> bytes:
        """Whatever has come within DATA, at least a byte. Raises HangUp, also at the end."""
        self.flush()
        self.inbound.stage = Stage.CONTENT
        if not self.inbound and not await self.inbound.more(seconds):
            raise HangUp(None)
        return self.inbound.take()

    def tell_of_loss(self, on_gone: Callable[[], None] | None) -> None:
        """Have `on_gone` called when the peer has ended its stream, or is lost; None: no more."""
        self._on_gone = on_gone
        if self._wire is None or self.inbound.ended:
            self._gone()

    def send(self, reply: Reply) -> None:
        """Answer; HangUp follows when the reply says that we close."""
        self._counters.replied(reply.code, reply.text)
        self._answer(reply.line)

    def send_greeting(self, lines: bytes) -> None:
        """Answer EHLO: a reply of several lines."""
        self._counters.replied_code(250)
        self._answer(lines)

    def _answer(self, lines: bytes) -> None:
        self._out.append(lines)
        self._unsent += len(lines)

    async def send_accepted(
        self, said: Sequence[Reply], digests: Sequence[bytes], *, seconds: float
    ) -> None:
        """Hand the replies to the dot to the kernel, and begin to listen for their confirmation.

        Raises HangUp when the peer does not take it for so many seconds.
        """
        self.flush()
        for reply in said:
            self._counters.replied(reply.code, reply.text)
        wire = self._wire
        # Counted before the write: a quick peer's answer is there before the write returns. With
        # TLS what the kernel holds is longer than what it says: too much is counted, never too
        # little.
        unasked = self.inbound.total + self._readable()
        if wire is not None and not wire.is_closing():
            self._write_now(wire, b"".join([reply.line for reply in said]))
            try:
                if self._is_slow:
                    await self._await_room(self.loop.time() + seconds)
                    unasked = self.inbound.total + self._readable()
            except BaseException:
                self._confirmations.close(digests)
                raise
        if self._wire is None:
            self._confirmations.close(digests)
            return
        self._confirmed_above = unasked
        self._unconfirmed = digests

    def _write_now(self, wire: asyncio.Transport, line: bytes) -> None:
        """Write past the transport, which may put off a write to the end of the loop's turn."""
        if self._tls is not None:
            try:
                line = self._tls.encrypt(line)
            except ssl.SSLError:  # broken by what the peer has sent meanwhile: it can read no more
                self.abort()
                return
        if not wire.get_write_buffer_size():
            try:
                written = os.write(self._descriptor, line)
            except OSError:  # the transport meets it as well: it waits, or ends
                written = 0
            line = line[written:]
        if line:
            wire.write(line)

    def _write_records(self, records: bytes) -> None:
        if records and self._wire is not None and not self._wire.is_closing():
            self._wire.write(records)

    def flush(self) -> None:
        """Write what was answered so far."""
        if self._out and self._wire is not None and not self._wire.is_closing():
            self._write_now(self._wire, b"".join(self._out))
        self._out.clear()
        self._unsent = 0

    def _readable(self) -> int:
        """How many bytes lie in the kernel for us."""
        if self._descriptor < 0:
            return 0
        found = fcntl.ioctl(self._descriptor, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", found)[0])
