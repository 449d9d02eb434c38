"""A name server whose answers by TCP are bounded: small records cost far more than their octets.

- An answer of more than 256 records is refused by its header, before it is read: 4,000 addresses
  take a tenth of a second to read, in which nobody else has a turn.
- By UDP an answer has 1,232 octets, which cannot hold that many.

RFC 7766 8 (messages by TCP), RFC 1035 4.1.1 (counts).
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import dns.message
from dns.exception import FormError, Timeout
from dns.nameserver import Do53Nameserver
from dns.query import BadResponse

if TYPE_CHECKING:
    from dns._asyncbackend import Backend

MOST_RECORDS = 256
_COUNTS = struct.Struct(">6xHHH")  # of the answer, the authority and the additional section
_HEADER = 12


class TooManyRecords(FormError):
    """The answer has more records than are read."""


class BoundedNameserver(Do53Nameserver):
    """Asks by UDP as any other."""

    async def async_query(  # noqa: PLR0917  # as dnspython calls it
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109  # so it is called
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Backend,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """See `dns.nameserver.Nameserver`. `max_size`: by TCP."""
        if not max_size:
            return await super().async_query(
                request,
                timeout,
                source,
                source_port,
                max_size,
                backend,
                one_rr_per_rrset,
                ignore_trailing,
            )
        try:
            async with asyncio.timeout(timeout):
                answer = await _ask(self.address, self.port, request.to_wire())
        except TimeoutError as error:
            raise Timeout from error
        if len(answer) < _HEADER or sum(_COUNTS.unpack_from(answer, 0)) > MOST_RECORDS:
            raise TooManyRecords
        response = dns.message.from_wire(
            answer, one_rr_per_rrset=one_rr_per_rrset, ignore_trailing=ignore_trailing
        )
        if not request.is_response(response):
            raise BadResponse
        return response


async def _ask(address: str, port: int, question: bytes) -> bytes:
    """Send one question; the octets of the answer. Raises OSError, EOFError."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        length = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(length)
    finally:
        writer.transport.abort()
