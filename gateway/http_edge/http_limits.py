"""Limits of the HTTP edge: octets, seconds, and how many connections may be open.

- `http_max_connections` in all, but never more than half of the descriptors of the process: the
  others are for mail and the store. A flood of HTTP connections leaves SMTP its banner.
- `http_max_connections_per_client` of one IPv4 address or IPv6 /64. Exempt networks are not counted
  per client. Behind a trusted proxy, or a unix socket, stand many clients: its connections count in
  all only, and its requests in progress by the address that it forwards.

hostile.md section 4; RFC 6585 5 (431), RFC 9110 15.5.15 (414).
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import Scope

from admin_api.http.client_address import UNIX_PEER, Peer, client_address
from config.hosts import Network
from config.settings import Settings
from gateway.transport.networks import client_network, is_exempt

Count = Callable[[str], None]  # adds one to the counter of that name

HEAD_MAX = 32 << 10  # request line, header fields and trailer fields together
FIELDS_MAX = 100
READ_MAX = 16 << 10  # of one read
UNREAD_MAX = 16 << 10  # received and not parsed; above it nothing more is read
BODY_MAX = 64 << 10  # parsed and not taken by the call; above it nothing more is parsed
DISCARDED_MAX = 1 << 20  # of a body whose call was answered before it came
FAREWELL_MAX = 1 << 20  # thrown away after the last answer, so that the client can read that


@dataclass(frozen=True, slots=True)
class HttpTimes:
    """Seconds that a client has, and octets a second that a body needs. Tests take shorter ones."""

    header: float = 15.0
    between_requests: float = 5.0
    body: float = 60.0
    floor_window: float = 60.0
    floor: float = 500.0
    taking: float = 30.0
    farewell: float = 2.0

    @property
    def shortest(self) -> float:
        times = (self.header, self.between_requests, self.body, self.floor_window, self.taking)
        return min(*times, self.farewell)


class HttpClients:
    """Counts connections, and requests of proxies. Lives within one event loop."""

    def __init__(self, settings: Settings, descriptors: int | None = None) -> None:
        self._settings = settings
        allowed = _descriptors() if descriptors is None else descriptors
        self._most = min(settings.http_max_connections, max(1, allowed // 2))
        self._most_of_one = settings.http_max_connections_per_client
        self._connections = 0
        self._of: Counter[str] = Counter()

    def enter(self, peer: Peer) -> Place | None:
        """A place for a connection; None when there is none."""
        if self._connections >= self._most:
            return None
        network = "" if self._is_proxy(peer) else self._network(peer[0])
        if not self.take(network):
            return None
        self._connections += 1
        return Place(self, network)

    def leave(self, network: str) -> None:
        """A connection is gone."""
        self._connections -= 1
        self.give_back(network)

    def forwarded(self, scope: Scope) -> str:
        """The network by which a request counts by itself: that of a proxy's client; or none."""
        trusted = self._settings.trusted_proxies
        if not self._is_proxy(scope["client"]):
            return ""
        address = client_address(Request(scope), trusted)
        # A proxy behind a proxy stands for many clients as well.
        if address is None or any(address in network for network in trusted):
            return ""
        return self._network(str(address))

    def _is_proxy(self, peer: Peer) -> bool:
        trusted = self._settings.trusted_proxies
        return peer == UNIX_PEER or (bool(trusted) and _is_within(peer[0], trusted))

    def _network(self, ip: str) -> str:
        return "" if is_exempt(self._settings, ip) else client_network(ip)

    def take(self, network: str) -> bool:
        """Count one more of a network; whether it may."""
        if network and self._of[network] >= self._most_of_one:
            return False
        if network:
            self._of[network] += 1
        return True

    def give_back(self, network: str) -> None:
        """One less of a network."""
        if network:
            self._of[network] -= 1
            if self._of[network] <= 0:
                del self._of[network]


class Place:
    """One connection's place, given back once."""

    __slots__ = ("_clients", "_network")

    def __init__(self, clients: HttpClients, network: str) -> None:
        self._clients: HttpClients | None = clients
        self._network = network

    def leave(self) -> None:
        """Give the place back."""
        if self._clients is not None:
            self._clients.leave(self._network)
        self._clients = None


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def _is_within(ip: str, networks: Sequence[Network]) -> bool:
    address = ip_address(ip.partition("%")[0])
    seen = getattr(address, "ipv4_mapped", None) or address
    return any(seen in network for network in networks)
