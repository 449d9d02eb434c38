"""The mail host of a domain as senders see it: does it offer STARTTLS, with a fitting certificate?

- Asked where the MX record names us, at the address that the DNS gives, on port 25.
- The certificate has to be trusted, be in the host's name, and not end within 14 days.
- All of it takes 8 seconds at most and reads little, whoever answers there; it sends no mail.

RFC 3207, RFC 7817.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Literal

from admin_api.dns.cache import DnsCache
from admin_api.dns.questions import Kind
from config.values import Endpoint

PATIENCE = 8.0
_PORT = 25
_MOST_LINES = 50
_ENDS_SOON = 14 * 86_400

Status = Literal["ok", "missing", "wrong", "unreachable"]


@dataclass(frozen=True, slots=True)
class MailHost:
    """`missing`: no STARTTLS; `wrong`: a certificate that does not do; `detail` says why."""

    host: str
    status: Status
    detail: str


async def check_mail_host(
    host: str,
    dns: DnsCache,
    *,
    now: float,
    port: int = _PORT,
    context: ssl.SSLContext | None = None,
    patience: float = PATIENCE,
) -> MailHost:
    """Ask `host`, at the address that the DNS has of it; `now` in seconds since 1970."""
    try:
        async with asyncio.timeout(patience):
            address = await _address(host, dns)
            if address is None:
                return MailHost(host, "unreachable", "the DNS has no address of it")
            return await _ask(host, Endpoint(address, port), now, context)
    except ssl.SSLCertVerificationError as error:
        return MailHost(host, "wrong", f"certificate: {error.verify_message}")
    except TimeoutError:
        return MailHost(host, "unreachable", "it does not answer in time")
    except (OSError, EOFError, ValueError) as error:
        return MailHost(host, "unreachable", str(error) or type(error).__name__)


async def _address(host: str, dns: DnsCache) -> str | None:
    """Raises ValueError when the DNS gives no answer."""
    kinds: tuple[Kind, ...] = ("A", "AAAA")
    for kind in kinds:
        reply = await dns.lookup(host, kind, fresh=True)
        if reply.state == "failed":
            raise ValueError(reply.cause)
        if reply.records:
            return reply.records[0].decode()
    return None


async def _ask(host: str, where: Endpoint, now: float, context: ssl.SSLContext | None) -> MailHost:
    reader, writer = await asyncio.open_connection(where.host, where.port, limit=2048)
    try:
        await _reply(reader)
        writer.write(b"EHLO localhost\r\n")
        if "STARTTLS" not in await _reply(reader):
            return MailHost(host, "missing", "STARTTLS is not offered")
        writer.write(b"STARTTLS\r\n")
        await _reply(reader)
        await writer.start_tls(context or ssl.create_default_context(), server_hostname=host)
        certificate = writer.get_extra_info("peercert") or {}
        return _judged(host, str(certificate.get("notAfter", "")), now)
    finally:
        # Not close(): what a host does not read would keep the connection open.
        writer.transport.abort()


def _judged(host: str, ends: str, now: float) -> MailHost:
    left = ssl.cert_time_to_seconds(ends) - now
    if left < _ENDS_SOON:
        return MailHost(host, "wrong", f"certificate: ends soon, {ends}")
    return MailHost(host, "ok", f"STARTTLS, certificate until {ends}")


async def _reply(reader: asyncio.StreamReader) -> list[str]:
    """The lines of a reply without their codes. Raises ValueError for one that is no success."""
    lines: list[str] = []
    while len(lines) < _MOST_LINES:
        line = (await reader.readuntil(b"\n")).decode("ascii", "replace").rstrip()
        if line[:1] != "2":
            raise ValueError(f"it answers {line[:60]!r}")
        lines.append(line[4:].upper())
        if line[3:4] != "-":
            return lines
    raise ValueError("a reply without end")
