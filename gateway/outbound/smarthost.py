"""The client of the smarthost: one connection, over which letters go one after the other.

- The dot is a step of its own: everything before CRLF.CRLF is written, then the caller records
  that the dot follows, and only then it is written. `aiosmtplib` has the connection, TLS, sign-in
  and replies; its `data` would write message and dot in one go.
- Every wait is bounded (RFC 5321 4.5.3.2), and so is the time of one letter before its dot; a reply
  holds at most 32 KiB (`aiosmtplib`).
- A reply that is none, such as 999, counts as a temporary refusal before the dot. After the dot
  only 2yz, 4yz and 5yz say what came of it.

RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3461 (DSN).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, cast

import aiosmtplib

from config.hosts import is_inside, machine_name
from config.settings import Settings
from storage.outbound.domain_smarthosts import DomainSmarthost
from storage.outbound.sending_queue import RecipientOutcome

_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \n]|$)")
_LONGEST_TEXT = 500
_LINE = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Waits:
    """The most seconds that the smarthost has for each step."""

    connect: float = 30
    command: float = 120
    block: float = 180
    dot: float = 600
    letter: float = 1800


@dataclass(frozen=True, slots=True)
class Smarthost:
    """How the smarthost is reached. `name` is what we call ourselves."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    authorities: Path | None
    username: str
    password: str
    name: str
    waits: Waits = Waits()


def smarthost_of(settings: Settings) -> Smarthost:
    """Take the smarthost from the settings, which name one."""
    assert settings.smarthost is not None
    return Smarthost(
        settings.smarthost.host,
        settings.smarthost.port,
        settings.smarthost_tls,
        settings.smarthost_ca,
        settings.smarthost_username,
        settings.smarthost_password,
        settings.hostname or machine_name(),
    )


def smarthost_of_domain(settings: Settings, via: DomainSmarthost) -> Smarthost:
    """Take the smarthost of a domain; reads its password. Raises HostFailed, SignInRefused."""
    inside = settings.webhook_allow_networks
    if via.tls == "none" and not is_inside(via.host, inside):
        raise HostFailed("tls none is for loopback and webhook_allow_networks only")
    password = ""
    if via.username:
        try:
            password = Path(via.password_file).read_text("utf-8").removesuffix("\n")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is not UTF-8"
            raise SignInRefused(f"the password's file cannot be read: {why}") from error
    name = settings.hostname or machine_name()
    authorities = settings.smarthost_ca
    return Smarthost(via.host, via.port, via.tls, authorities, via.username, password, name)


class HostFailed(Exception):
    """The smarthost is not to be had now; no letter is to blame. Its text says why."""


class SignInRefused(Exception):
    """The smarthost refused name and password, or offers no sign-in. Its text says why."""


class Lost(Exception):
    """The connection ended, or a wait ran out, in the middle of a letter and before its dot."""


class Reply(NamedTuple):
    """A reply: its code, its enhanced code or None, and its text."""

    code: int
    enhanced: str | None
    text: str

    @property
    def verdict(self) -> Literal["accepted", "waiting", "failed"]:
        """The verdict on what was asked; nonsense is none against a letter."""
        if 200 <= self.code < 300:
            return "accepted"
        return "failed" if 500 <= self.code < 600 else "waiting"

    def outcome(self) -> RecipientOutcome:
        """The same, for a recipient."""
        code = self.code if 200 <= self.code < 600 else None
        return RecipientOutcome(self.verdict, code, self.enhanced, self.text)


@dataclass(frozen=True, slots=True)
class OutgoingLetter:
    """A letter for the wire. `size` is that of its octets; `name` is its envelope id."""

    name: str
    reverse_path: str
    recipients: Sequence[str]
    size: int
    chunks: Callable[[], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome for each recipient, in order; `may_go_on` tells that the connection is usable."""

    outcomes: Sequence[RecipientOutcome]
    may_go_on: bool
    is_busy: bool = False


class Connection:
    """An open connection to the smarthost, after EHLO and sign-in."""

    def __init__(self, smtp: aiosmtplib.SMTP, waits: Waits) -> None:
        transport, protocol = smtp.transport, smtp.protocol
        if transport is None or protocol is None:
            raise HostFailed("the smarthost closed the connection")
        self._smtp = smtp
        self._waits = waits
        # As long as the connection: a writer that is dropped closes its transport.
        # uvloop's transports have the methods of asyncio's, and are no subclasses of them.
        self._writer = asyncio.StreamWriter(
            cast(asyncio.WriteTransport, transport), protocol, None, asyncio.get_running_loop()
        )

    @property
    def offers(self) -> dict[str, str]:
        """The extensions that it names, each with its parameters."""
        return dict(self._smtp.esmtp_extensions)

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as is known."""
        return self._smtp.is_connected

    async def send(
        self, letter: OutgoingLetter, before_dot: Callable[[], Awaitable[bool]]
    ) -> Result | None:
        """Hand one letter over; None when `before_dot` said not to.

        Raises Lost, HostFailed when MAIL met a 421 or a broken connection, and StoreUnavailable of
        `before_dot` and of the letter's octets. Then the connection must be closed.
        """
        if self._is_too_large(letter):
            return _all(letter, Reply(552, "5.3.4", "larger than the smarthost takes"), True)
        if not self._takes_addresses(letter):
            return _all(letter, Reply(553, "5.6.7", "the smarthost has no SMTPUTF8"), True)
        async with _within(self._waits.letter):
            reply = await self._mail(letter)
            if reply.verdict != "accepted":
                return _all(letter, reply, True)
            replies = await self._rcpts(letter)
            busy = next((one for one in replies if one.code == 421), None)
            if busy is not None:  # it closes, whatever it said of the others
                return await self._end([_refused(one, busy) for one in replies])
            if not any(one.verdict == "accepted" for one in replies):
                return await self._end(replies)
            start = await self._command(b"DATA")
            if start.code != 354:
                return await self._end([_refused(one, start) for one in replies])
            await self._write(letter)
        if not await before_dot():
            return None
        return await self._dot(replies)

    @property
    def largest(self) -> int | None:
        """The most octets of a letter that it takes, where it says so (RFC 1870)."""
        most = self.offers.get("size", "").strip()
        return int(most) if most.isdecimal() and len(most) < 20 and int(most) > 0 else None

    def _is_too_large(self, letter: OutgoingLetter) -> bool:
        return self.largest is not None and letter.size > self.largest

    def _takes_addresses(self, letter: OutgoingLetter) -> bool:
        return "smtputf8" in self.offers or _is_ascii(letter)

    async def _mail(self, letter: OutgoingLetter) -> Reply:
        words = [f"FROM:<{letter.reverse_path}>"]
        if "size" in self.offers:
            words.append(f"SIZE={letter.size}")
        if not _is_ascii(letter):
            words.append("SMTPUTF8")
        if "dsn" in self.offers:
            words += ["RET=HDRS", f"ENVID={_xtext(letter.name)}"]
        try:
            reply = await self._command(b"MAIL", *(word.encode() for word in words))
        except Lost as error:
            raise HostFailed(str(error)) from error
        if reply.code == 421:
            raise HostFailed(_shown(reply))
        return reply

    async def _rcpts(self, letter: OutgoingLetter) -> list[Reply]:
        """Name the recipients; behind a 421 nobody is named, and all have that reply."""
        replies: list[Reply] = []
        for one in letter.recipients:
            is_closing = bool(replies) and replies[-1].code == 421
            replies.append(replies[-1] if is_closing else await self._rcpt(letter, one))
        return replies

    async def _rcpt(self, letter: OutgoingLetter, address: str) -> Reply:
        words = [f"TO:<{address}>"]
        if "dsn" in self.offers and address.isascii():
            words += ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{_xtext(address)}"]
        return await self._command(b"RCPT", *(word.encode() for word in words))

    async def _end(self, replies: Sequence[Reply]) -> Result:
        """End a transaction in which nothing is sent."""
        is_busy = any(one.code == 421 for one in replies)
        may_go_on = not is_busy
        if may_go_on:
            with contextlib.suppress(Lost):
                may_go_on = (await self._command(b"RSET")).verdict == "accepted"
        return Result([one.outcome() for one in replies], may_go_on, is_busy)

    async def _write(self, letter: OutgoingLetter) -> None:
        """Write all but the dot: lines that begin with one get a second (RFC 5321 4.5.2)."""
        protocol = self._smtp.protocol
        if protocol is None:
            raise Lost("the smarthost closed the connection")
        last = b"\n"
        try:
            async with aclosing(letter.chunks()) as chunks:
                async for chunk in chunks:
                    # Our own letters have CRLF only, so a line begins behind each LF.
                    stuffed = _LINE.sub(b"..", chunk)
                    if last != b"\n" and chunk.startswith(b"."):
                        stuffed = stuffed[1:]
                    protocol.write(stuffed)
                    last = chunk[-1:] or last
                    async with _within(self._waits.block):
                        await self._writer.drain()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Lost(_text_of(error)) from error
        if last != b"\n":
            raise ValueError("a letter ends with a line")

    async def _dot(self, replies: Sequence[Reply]) -> Result:
        protocol = self._smtp.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            protocol.write(b".\r\n")
            found = await protocol.read_response(timeout=self._waits.dot)
        except (aiosmtplib.SMTPException, OSError) as error:
            unknown = RecipientOutcome("unknown", None, None, _text_of(error))
            return Result([_after(one, unknown) for one in replies], False)
        reply = _reply(found)
        if not 200 <= reply.code < 600 or 300 <= reply.code < 400:
            unknown = RecipientOutcome("unknown", None, None, reply.text)
            return Result([_after(one, unknown) for one in replies], False)
        outcomes = [_after(one, reply.outcome()) for one in replies]
        return Result(outcomes, reply.code != 421, reply.code == 421)

    async def _command(self, *words: bytes) -> Reply:
        try:
            found = await self._smtp.execute_command(*words, timeout=self._waits.command)
        except aiosmtplib.SMTPResponseException as error:
            self.abort()
            raise Lost(_text_of(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Lost(_text_of(error)) from error
        return _reply(found)

    async def quit(self) -> None:
        """Say QUIT, wait a moment for the reply, close."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await self._smtp.quit(timeout=2)
        self.abort()

    def abort(self) -> None:
        """Close without a word."""
        self._smtp.close()


async def connect(smarthost: Smarthost) -> Connection:
    """Connect, greet, secure, sign in. Raises HostFailed and SignInRefused."""
    waits = smarthost.waits
    smtp = aiosmtplib.SMTP(
        hostname=smarthost.host,
        port=smarthost.port,
        local_hostname=smarthost.name,
        timeout=waits.connect,
        use_tls=smarthost.tls == "implicit",
        start_tls=False,
        tls_context=await asyncio.to_thread(_tls_context, smarthost.authorities),
    )
    try:
        await smtp.connect()
        await smtp.ehlo()
        if smarthost.tls == "starttls":
            if not smtp.supports_extension("starttls"):
                raise HostFailed("the smarthost offers no STARTTLS")
            await smtp.starttls(server_hostname=smarthost.host)
            await smtp.ehlo()
        if smarthost.username:
            await _sign_in(smtp, smarthost)
    except (HostFailed, SignInRefused):
        smtp.close()
        raise
    except (aiosmtplib.SMTPException, OSError, ValueError, TimeoutError) as error:
        smtp.close()
        raise HostFailed(_text_of(error)) from error
    except BaseException:
        smtp.close()
        raise
    return Connection(smtp, waits)


async def _sign_in(smtp: aiosmtplib.SMTP, smarthost: Smarthost) -> None:
    if not smtp.supports_extension("auth"):
        raise SignInRefused("the smarthost offers no sign-in")
    try:
        await smtp.login(smarthost.username, smarthost.password)
    except aiosmtplib.SMTPAuthenticationError as error:
        if 400 <= error.code < 500:
            raise HostFailed(_text_of(error)) from error  # RFC 4954 4: a temporary failure
        raise SignInRefused(_text_of(error)) from error


def _tls_context(authorities: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise HostFailed(f"smarthost_ca cannot be read: {error.strerror}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextlib.asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Raises Lost when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Lost("the smarthost is too slow") from error


def _all(letter: OutgoingLetter, reply: Reply, may_go_on: bool) -> Result:
    return Result([reply.outcome() for _ in letter.recipients], may_go_on)


def _refused(rcpt: Reply, data: Reply) -> Reply:
    """Apply a refusal of DATA to a recipient: one that was refused itself keeps its own."""
    if rcpt.verdict != "accepted":
        return rcpt
    return data if data.verdict != "accepted" else data._replace(code=451)


def _after(rcpt: Reply, outcome: RecipientOutcome) -> RecipientOutcome:
    return outcome if rcpt.verdict == "accepted" else rcpt.outcome()


def _reply(found: aiosmtplib.SMTPResponse) -> Reply:
    text = found.message.encode("utf-8", "replace").decode()[:_LONGEST_TEXT]
    enhanced = _ENHANCED.match(text)
    return Reply(found.code, enhanced[1] if enhanced else None, _clean(text))


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _shown(reply: Reply) -> str:
    return f"{reply.code} {reply.text}"


def _text_of(error: BaseException) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _clean(f"{error.code} {error.message}")[:_LONGEST_TEXT]
    return _clean(str(error) or type(error).__name__)[:_LONGEST_TEXT]


def _is_ascii(letter: OutgoingLetter) -> bool:
    return all(one.isascii() for one in (letter.reverse_path, *letter.recipients))


def _xtext(text: str) -> str:
    """Encode as xtext (RFC 3461 4)."""
    return "".join(
        char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text
    )
