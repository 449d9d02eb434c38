"""The HTTP client of webhooks: one POST on a connection of its own. See `gateway.webhooks.caller`.

Imported at the first call, for what it imports is large.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.webhooks.answer import Answer, NotCalled
from gateway.webhooks.targets import Address, Target
from storage.clock import SECOND

MOST_READ = 64 << 10
_READ_SECONDS = 1.0
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_LONGEST_RETRY_AFTER = 30 * 86_400


async def post(
    target: Target,
    addresses: Sequence[Address],
    headers: Mapping[str, str],
    body: bytes,
    trust: ssl.SSLContext,
) -> Answer:
    """POST `body` to one of `addresses`. Raises NotCalled, TimeoutError."""
    try:
        async with (
            aiohttp.ClientSession(
                connector=_connector(addresses, trust),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=MOST_READ // 2,
            ) as session,
            session.post(
                URL(target.url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            answer = _judged(response.status, response.headers.get("Retry-After"))
            await _let_end(response.content)
            return answer
    except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        return Answer(None, _wrong(error))


def _connector(addresses: Sequence[Address], trust: ssl.SSLContext) -> aiohttp.TCPConnector:
    """A connector that knows these addresses for every name, and no others."""
    return aiohttp.TCPConnector(
        resolver=Pinned(addresses), ssl=trust, use_dns_cache=False, force_close=True, limit=0
    )


class Pinned(AbstractResolver):
    """Gives the same addresses for every name."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def _let_end(content: aiohttp.StreamReader) -> None:
    """Take some of the body, so that its sender is not cut off; only the status counts."""
    left = MOST_READ
    with contextlib.suppress(aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(_READ_SECONDS):
            while left > 0 and (piece := await content.read(left)):
                left -= len(piece)


def _judged(status: int, retry_after: str | None) -> Answer:
    if 200 <= status < 300:
        return Answer(status, None)
    if 300 <= status < 400:
        return Answer(status, f"answered {status}; redirects are not followed")
    return Answer(status, f"answered {status}", _wait(retry_after))


def _wait(retry_after: str | None) -> int:
    """What Retry-After says, seconds or a date; nothing when it says neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:10]), _LONGEST_RETRY_AFTER) * SECOND
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
    return round(min(max(seconds, 0), _LONGEST_RETRY_AFTER) * SECOND)


def _wrong(error: Exception) -> str:
    """What was wrong, in our words. Raises NotCalled when it was this machine."""
    number = getattr(error, "errno", None)
    if number in _OURS:
        raise NotCalled(errno.errorcode[number]) from error
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "its certificate is not valid for this host"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = number == errno.ECONNREFUSED
        return "the connection was refused" if refused else "no connection could be made"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return "the connection was closed without an answer"
    return "what it answered is not HTTP"
