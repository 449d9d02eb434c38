"""The HTTP client of webhooks: one POST on a connection of its own. See `gateway.webhooks.caller`.

- The endpoint is hostile. Everything that it sends before the final header counts: 64 KiB, 100
  fields, and at most eight interim answers (1xx). Of the body 64 KiB are read, for a second, and
  thrown away.
- The answer is read as it is asked for, a little at a time; between two reads the loop has its
  turn. A connection is dropped, not shut in good order, where its end could keep us waiting.
- The connection goes to one of the addresses that were vetted; TLS verifies the target's name.

RFC 9112 4 (status line), 5 (fields); RFC 9110 15.2 (interim answers), 10.2.3 (Retry-After).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from gateway.webhooks.answer import Answer, NotCalled
from gateway.webhooks.targets import Address, Target
from storage.clock import SECOND

MOST_READ = 64 << 10
MOST_INTERIM = 8
# In all headers together: thousands of short ones cost far more than their octets.
MOST_FIELDS = 100
_BUFFERED = 8 << 10  # asyncio reads up to twice as much ahead
_READ_SECONDS = 1.0
_CONNECT_SECONDS = 4.0  # for an address, while there is another one
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_LONGEST_RETRY_AFTER = 30 * 86_400
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n\0]*)?")
# Blanks around a value are taken off afterwards: to match them costs the square of their number.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([^\r\n\0]*+)")


class NoHttp(Exception):
    """The endpoint sent no HTTP response, or one without an end."""


@dataclass(frozen=True, slots=True)
class Head:
    """The status and the fields of an answer; of a repeated field the last one."""

    status: int
    fields: Mapping[bytes, bytes]


async def post(
    target: Target,
    addresses: Sequence[Address],
    headers: Mapping[str, str],
    body: bytes,
    trust: ssl.SSLContext,
) -> Answer:
    """POST `body` to one of `addresses`. Raises NotCalled, TimeoutError."""
    try:
        reader, writer = await _connect(target, addresses, trust)
    except (OSError, ssl.SSLError) as error:
        if isinstance(error, TimeoutError):
            raise
        return Answer(None, _not_connected(error))
    try:
        writer.write(request_octets(target, headers, body))
        await writer.drain()
        head = await read_head(reader)
        await _let_end(reader, head)
    except NoHttp:
        return Answer(None, "what it answered is not HTTP")
    except ssl.SSLError:
        return Answer(None, "TLS failed")
    except (OSError, EOFError) as error:
        if isinstance(error, TimeoutError):
            raise
        return Answer(None, "the connection was closed without an answer")
    finally:
        _drop(writer)
    return _judged(head.status, head.fields.get(b"retry-after", b"").decode("latin-1"))


async def _connect(
    target: Target, addresses: Sequence[Address], trust: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address that takes one. Raises OSError of the last one."""
    tls = trust if target.scheme == "https" else None
    name = target.host if tls else None
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(
                    str(address), target.port, limit=_BUFFERED, ssl=tls, server_hostname=name
                )
    return await asyncio.open_connection(
        str(addresses[-1]), target.port, limit=_BUFFERED, ssl=tls, server_hostname=name
    )


def request_octets(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as it goes over the wire."""
    own = {
        "Host": target.authority,
        "Accept": "*/*",
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    path = target.rest if target.rest.startswith("/") else f"/{target.rest}"
    fields = "".join(f"{name}: {value}\r\n" for name, value in (own | dict(headers)).items())
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The final header. Raises NoHttp, EOFError, OSError."""
    left, fields = MOST_READ, 0
    for _ in range(MOST_INTERIM + 1):
        lines = []
        while line := await _line(reader, left):
            lines.append(line)
            left -= len(line) + 2
            fields += len(lines) > 1
            if fields > MOST_FIELDS:
                raise NoHttp
        head = _head(lines)
        if head.status >= 200:
            return head
        # We asked for no other protocol: what follows would be no HTTP.
        if head.status == 101:
            break
        left -= 2
        await asyncio.sleep(0)
    raise NoHttp


async def _line(reader: asyncio.StreamReader, left: int) -> bytes:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise NoHttp from None
    if len(line) > left:
        raise NoHttp
    return line[:-1].removesuffix(b"\r")


def _head(lines: Sequence[bytes]) -> Head:
    found = _STATUS_LINE.fullmatch(lines[0]) if lines else None
    fields = [_FIELD.fullmatch(line) for line in lines[1:]]
    if found is None or not all(fields):
        raise NoHttp
    values = {field[1].lower(): field[2].strip(b" \t") for field in fields if field}
    return Head(int(found[1]), values)


async def _let_end(reader: asyncio.StreamReader, head: Head) -> None:
    """Take some of the body, so that its sender is not cut off; only the status counts."""
    length = head.fields.get(b"content-length", b"")
    left = min(int(length), MOST_READ) if re.fullmatch(rb"[0-9]{1,9}", length) else MOST_READ
    if head.status in (204, 304):
        return
    end = b""
    with contextlib.suppress(OSError, ssl.SSLError):  # TimeoutError is an OSError
        async with asyncio.timeout(_READ_SECONDS):
            while left > 0 and (piece := await reader.read(min(left, _BUFFERED))):
                left -= len(piece)
                end = (end + piece)[-7:]
                if b"transfer-encoding" in head.fields and end.endswith(b"0\r\n\r\n"):
                    return
                await asyncio.sleep(0)


def _drop(writer: asyncio.StreamWriter) -> None:
    """End the connection now: the end of TLS would wait for the endpoint, and read on."""
    has_sent_all = writer.transport.get_write_buffer_size() == 0
    if has_sent_all and writer.get_extra_info("ssl_object") is None:
        writer.close()
    else:
        writer.transport.abort()


def _judged(status: int, retry_after: str) -> Answer:
    if 200 <= status < 300:
        return Answer(status, None)
    if 300 <= status < 400:
        return Answer(status, f"answered {status}; redirects are not followed")
    return Answer(status, f"answered {status}", _wait(retry_after))


def _wait(retry_after: str) -> int:
    """Return the wait of Retry-After, in seconds or as a date; nothing when it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:10]), _LONGEST_RETRY_AFTER) * SECOND
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
    return round(min(max(seconds, 0), _LONGEST_RETRY_AFTER) * SECOND)


def _not_connected(error: OSError) -> str:
    """Why there is no connection, in our words. Raises NotCalled when it was this machine."""
    if error.errno in _OURS:
        raise NotCalled(errno.errorcode[error.errno]) from error
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not valid for this host"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    refused = isinstance(error, ConnectionRefusedError)
    return "the connection was refused" if refused else "no connection could be made"
