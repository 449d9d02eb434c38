"""Clients by address: the network one counts by, and whether it is exempt.

A client is an IPv4 address or an IPv6 /64; a local program, which comes by a unix socket, has no
address and is exempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.hosts import Network
from config.settings import Settings


def is_exempt(settings: Settings, client_ip: str) -> bool:
    """Whether limits do not hold for this client."""
    if not client_ip:
        return True
    return is_within(client_ip, settings.exempt_networks)


def is_within(client_ip: str, networks: Iterable[Network]) -> bool:
    """Whether an address belongs to one of the networks; a local program's, "", does not."""
    if not client_ip:
        return False
    address = _address(client_ip)
    return any(address in network for network in networks)


@lru_cache(maxsize=1024)
def client_network(client_ip: str) -> str:
    """The network a client counts by: its IPv4 address, or its IPv6 /64.

    A new connection asks four times.
    """
    if not client_ip:
        return "unix"
    address = _address(client_ip)
    # A /64 is what one customer gets: counted singly, its addresses would have no limit.
    return str(address) if isinstance(address, IPv4Address) else address.packed[:8].hex()


@lru_cache(maxsize=1024)
def _address(client_ip: str) -> IPv4Address | IPv6Address:
    """Parse an address; a new connection asks several times for the same one."""
    address = ip_address(client_ip.partition("%")[0])
    # `::ffff:192.0.2.1` is 192.0.2.1, also for limits and exempt networks.
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
