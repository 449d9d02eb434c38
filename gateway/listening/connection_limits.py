"""Connection limits: per client network at a time and per minute, and in all.

Clients are counted by IPv4 address or IPv6 /64. Exempt networks are counted in the whole only, and
so are local programs, which come by a unix socket and have no address.
"""

from __future__ import annotations

from collections import Counter, deque

from config.settings import Settings
from gateway.smtp import replies
from gateway.smtp.replies import Reply
from gateway.transport.networks import client_network, is_exempt

_MINUTE = 60.0
_EXEMPT = "exempt:"


class ConnectionLimits:
    """Counts connections; times are seconds of a steady clock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        kept = settings.exempt_connections
        # A relay of ours gets in even while strangers hold all other connections.
        self._for_others = settings.max_connections - (
            kept if kept < settings.max_connections else 0
        )
        self._exempt_present = 0
        self._present: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}
        self._forgotten_at = 0.0

    def refusal(self, client_ip: str, now: float) -> Reply | None:
        """The reply that turns this client away, if any."""
        exempt = is_exempt(self._settings, client_ip)
        refusal = None if exempt else self._refusal_of_network(client_network(client_ip), now)
        total = self._present.total()
        if total >= self._settings.max_connections:
            return refusal or replies.TOO_MANY_CONNECTIONS
        if not exempt and total - self._exempt_present >= self._for_others:
            return refusal or replies.TOO_MANY_CONNECTIONS
        return refusal

    def _refusal_of_network(self, network: str, now: float) -> Reply | None:
        if self._present[network] >= self._settings.max_connections_per_client:
            return replies.TOO_MANY_FROM_CLIENT
        self._forget(now)
        recent = self._recent.setdefault(network, deque())
        while recent and recent[0] <= now - _MINUTE:
            recent.popleft()
        if len(recent) >= self._settings.max_new_connections_per_minute:
            return replies.TOO_MANY_FROM_CLIENT
        recent.append(now)
        return None

    def fullest(self, client_ip: str) -> str:
        """The network with most connections, which has to make room for this client.

        A client that is not exempt never takes the place of one that is.
        """
        exempt = is_exempt(self._settings, client_ip)
        for network, _ in self._present.most_common():
            if exempt or not network.startswith(_EXEMPT):
                return network
        return ""

    def _forget(self, now: float) -> None:
        """Drop, once a minute, the networks that no minute counts any more."""
        if now - self._forgotten_at < _MINUTE:
            return
        self._forgotten_at = now
        stale = [name for name, recent in self._recent.items() if recent[-1] <= now - _MINUTE]
        for name in stale:
            del self._recent[name]

    def enter(self, client_ip: str) -> str:
        """Count a connection; the network to give back to `leave`."""
        network = counted_as(self._settings, client_ip)
        self._present[network] += 1
        self._exempt_present += network.startswith(_EXEMPT)
        return network

    def leave(self, network: str) -> None:
        """A connection is gone."""
        self._present[network] -= 1
        self._exempt_present -= network.startswith(_EXEMPT)
        if self._present[network] <= 0:
            del self._present[network]


def counted_as(settings: Settings, client_ip: str) -> str:
    """The network a client counts by, marked when it is exempt: one /64 may hold both kinds."""
    network = client_network(client_ip)
    return _EXEMPT + network if is_exempt(settings, client_ip) else network
