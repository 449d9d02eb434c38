"""The client's address, behind trusted proxies.

The peer's address counts, unless the peer is a trusted proxy: then X-Forwarded-For is read from its
right end, past every address that is a trusted proxy's too. Entries to the left of that, which a
stranger may have written, never count. A peer on a unix socket is a trusted proxy without an
address: the mode of the file says which programs of this machine may be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

from config.hosts import Network

Ip = IPv4Address | IPv6Address

Peer = tuple[str, int]  # as ASGI has it in `client`

UNKNOWN = "unknown"
UNIX_PEER: Peer = ("unix", 0)


def client_network(request: Request, trusted: Sequence[Network]) -> str:
    """Return the key of rate limits: an IPv4 address, the /64 of an IPv6 one, else `unknown`."""
    address = client_address(request, trusted)
    if isinstance(address, IPv6Address):
        # A /64 is one customer: who has all its addresses would otherwise never meet a limit.
        return str(IPv6Network((address, 64), strict=False))
    return str(address) if address else UNKNOWN


def client_address(request: Request, trusted: Sequence[Network]) -> Ip | None:
    """Return the address of the client; None where nobody names one."""
    peer = request.client
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    named = forwarded.pop() if peer == UNIX_PEER else peer.host if peer else ""
    address = _parse(named)
    while address is not None and forwarded and any(address in network for network in trusted):
        before = _parse(forwarded.pop())
        # What stands further left was written before the entry that cannot be trusted.
        if before is None:
            break
        address = before
    return address


def _parse(text: str) -> Ip | None:
    try:
        address = ip_address(text.strip().removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 as ::ffff:…; no IPv4 network in the settings would match that.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
