"""Webhook targets: public addresses only, never private ones.

- A target is checked twice: as it is written, when it is set, and by the addresses of its host,
  each time it is called. It is parsed here and put together anew, so that no code downstream reads
  it differently.
- An address is written in its one usual form. Other forms that some library takes for an address
  (decimal, octal, hex, fewer than four parts) are refused, not interpreted.
- Public means globally reachable unicast. An address that carries another one in it (mapped, NAT64)
  counts as that address; compatible ones, 6to4, Teredo and zones are refused.
- Clouds give secrets to their machines at addresses of which some look public (docs/webhooks.md has
  the list): nothing is sent there, whatever the operator allows.
- In networks that the operator allows, private addresses and http are accepted.
- Ports are 443 and those from 1024 on, with http also 80: the others belong to mail, shells and
  directories, which have nothing to do with webhooks.

IANA special-purpose address registries (RFC 6890); RFC 6052 (NAT64); RFC 3986; RFC 5891.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 2000
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]/?#@:\\%\x00-\x20\x7f]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:/[!$&-;=@-Z_a-z~%]*)?(?:\?[!$&-;=?-Z_a-z~%/]*)?)",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
# A host that ends so is an IPv4 address to some, in whatever base (WHATWG URL 3.5).
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LEAST_FREE_PORT = 1024
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# What the registries say, where releases of Python differ in their copies of them.
_NEVER = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),
    IPv4Network("161.26.0.0/16"),  # IBM Cloud: services that only its machines reach
    IPv4Network("166.8.0.0/14"),  # the same
)
# Where clouds tell their machines secrets: each is one service, and never a receiver of webhooks.
_METADATA = (
    IPv4Network("168.63.129.16/32"),  # Azure (WireServer), at a public address
    IPv4Network("192.80.8.124/32"),  # Equinix Metal, at a public address
    IPv4Network("169.254.0.0/16"),  # AWS, Google, Azure, Tencent and most others
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("192.0.0.192/32"),  # Oracle
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle
    IPv6Network("fd00:42::42/128"),  # Scaleway
)


class BadTarget(ValueError):
    """Nothing is ever sent there; its text tells why and names no address but the user's own."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target, taken apart: `host` is an A-label name, or an address; `rest` is path and query."""

    scheme: str
    host: str
    port: int
    rest: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.rest or '/'}"

    @property
    def authority(self) -> str:
        """The text of a Host field: the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address, when the host is one."""
        return ip_address(self.host) if ":" in self.host or _IPV4.fullmatch(self.host) else None


def parse_target(text: str, allowed: Collection[Network] = ()) -> Target:
    """Take a target apart. Raises BadTarget when it can be told without the DNS that it is none."""
    found = _URL.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise BadTarget("must be an https URL: host, port, path and query, nothing else")
    scheme = found["scheme"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    target = Target(scheme, _host(found["host"]), port, found["rest"])
    if scheme == "http" and not allowed:
        raise BadTarget("must be an https URL")
    if not _LEAST_FREE_PORT <= port < 1 << 16 and port != _DEFAULT_PORTS[scheme]:
        raise BadTarget("has a port that is not used for this")
    if target.address is not None:
        require_outside([target.address], target, allowed)
    elif (target.host == "localhost" or target.host.endswith(".localhost")) and not allowed:
        raise BadTarget("is this machine itself")
    return target


def why_not(text: str, allowed: Collection[Network] = ()) -> str | None:
    """Return the fault of a target as it is written; None when there is none."""
    try:
        parse_target(text, allowed)
    except BadTarget as error:
        return str(error)
    return None


def _host(text: str) -> str:
    """The host as we use it. Raises BadTarget."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except AddressValueError:
            raise BadTarget("has no valid address") from None
    try:
        name = (
            idna.encode(text, uts46=True, transitional=False).decode()
            if not text.isascii()
            else text
        )
    except (idna.IDNAError, UnicodeError):
        raise BadTarget("has no valid host name") from None
    name = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _ipv4(name)
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise BadTarget("has no valid host name")
    return name


def _ipv4(text: str) -> str:
    try:
        if _IPV4.fullmatch(text):
            return str(IPv4Address(text))
    except AddressValueError:
        pass
    raise BadTarget("has an address that is not written as four decimal numbers")


def require_outside(
    addresses: Collection[Address], target: Target, allowed: Collection[Network]
) -> None:
    """Raises BadTarget unless every address is outside, or the operator allows its network."""
    for address in addresses:
        # Before the operator's networks: such a service is no receiver in these either.
        if _is_metadata(address):
            raise BadTarget("is not on a public address")
        if _is_in(address, allowed):
            continue
        if target.scheme == "http":
            raise BadTarget("must be an https URL")
        if not is_outside(address):
            raise BadTarget("is not on a public address")


def is_outside(address: Address) -> bool:
    """Whether an address is one of the world's, by every way of reading it."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        carried = _carried(address)
        if carried is not None:
            return is_outside(carried)
        if address not in _GLOBAL_UNICAST:
            return False
    if _is_in(address, (*_NEVER, *_METADATA)):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which packets for this one go in the end."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _is_metadata(address: Address) -> bool:
    carried = _carried(address) if isinstance(address, IPv6Address) else None
    return _is_in(carried or address, _METADATA)


def _is_in(address: Address, networks: Collection[Network]) -> bool:
    carried = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    seen = carried or address
    return any(seen in each for each in networks if each.version == seen.version)
