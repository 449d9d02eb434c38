"""The PROXY protocol, versions 1 and 2: a load balancer says who the client is.

- The header comes first, before a banner or a TLS handshake, and exactly its octets are taken.
- Anything that is not a header, or is longer than one needs to be, is refused, never guessed.
- LOCAL (a health check) and UNKNOWN name nobody: the connection is the proxy's own.

https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, 2.1 and 2.2.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

HEADER_SECONDS = 5.0
_MOST_V1 = 107
_MOST_V2 = 2048
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1 = b"PROXY "
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")  # 2.1: no zeros in front
_FIXED = struct.Struct(">12sBBH")


class BadHeader(Exception):
    """The octets are not a header of the PROXY protocol."""


class Header(NamedTuple):
    """A whole header: how many octets it has, and the client, None when it names nobody."""

    length: int
    client_ip: str | None


def parse(octets: bytes) -> Header | None:
    """The header that `octets` begin with; None while it is not whole. Raises BadHeader."""
    if octets[:12] == _SIGNATURE[: len(octets)]:
        return _parse_v2(octets)
    if octets[:6] == _V1[: len(octets)]:
        return _parse_v1(octets)
    raise BadHeader("no signature")


def _parse_v1(octets: bytes) -> Header | None:
    end = octets.find(b"\r\n", 0, _MOST_V1)
    if end < 0:
        if len(octets) >= _MOST_V1:
            raise BadHeader("no end")
        return None
    words = octets[len(_V1) : end].split(b" ")
    if words[0] == b"UNKNOWN":
        return Header(end + 2, None)
    if len(words) != 5 or not all(_is_port(word) for word in words[3:]):
        raise BadHeader("not five words")
    kind = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(words[0])
    if kind is None:
        raise BadHeader("neither TCP4 nor TCP6")
    # A zone (`fe80::1%eth0`) belongs to the proxy's own machine, and no header has one.
    if b"%" in words[1] + words[2]:
        raise BadHeader("an address with a zone")
    try:
        source, _ = (kind(word.decode("ascii")) for word in words[1:3])
    except (AddressValueError, UnicodeDecodeError) as error:
        raise BadHeader("no address") from error
    return Header(end + 2, str(source))


def _is_port(word: bytes) -> bool:
    return _PORT.fullmatch(word) is not None and int(word) <= 65535


def _parse_v2(octets: bytes) -> Header | None:
    if len(octets) < _FIXED.size:
        return None
    _, command, family, size = _FIXED.unpack_from(octets)
    if command not in {0x20, 0x21} or size > _MOST_V2:
        raise BadHeader("neither LOCAL nor PROXY of version 2")
    length = _FIXED.size + size
    if len(octets) < length:
        return None
    if command == 0x20 or family in {0x00, 0x31, 0x32}:
        return Header(length, None)
    if family == 0x11 and size >= 12:
        return Header(length, str(IPv4Address(octets[16:20])))
    if family == 0x21 and size >= 36:
        return Header(length, str(IPv6Address(octets[16:32])))
    raise BadHeader("neither TCP over IPv4 nor over IPv6")


async def read_header(client: socket.socket) -> str | None:
    """Take the header off a connection: the client it names. Raises BadHeader, OSError."""
    loop = asyncio.get_running_loop()
    taken = b""
    while True:
        await _readable(loop, client)
        try:
            # A look only: what follows the header is the client's, perhaps its TLS handshake.
            seen = client.recv(_MOST_V2 + _FIXED.size, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        if not seen:
            raise BadHeader("no header")
        header = parse(taken + seen)
        whole = header.length - len(taken) if header else len(seen)
        client.recv(whole)  # of the rest, nothing is ours
        if header is not None:
            return header.client_ip
        taken += seen


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(client, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(client)
