"""Names and addresses of hosts, as settings write them (RFC 1123 2.1, RFC 4291 2.2)."""

import ipaddress
import re
import socket
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)


def ip6(text: str) -> str:
    """Return an IPv6 address in its shortest form. Raises ValueError."""
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text[:60]!a} is no IPv6 address") from None


def is_host(text: str) -> bool:
    """Whether a text is an IPv4 address or a name."""
    if re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
        return True
    return is_domain(text)


def is_domain(text: str) -> bool:
    """Whether a text can be a domain name, in ASCII and without its last dot."""
    labels = text.split(".")
    # RFC 1123 2.1: with digits at its end a name could be taken for an IPv4 address.
    return len(text) <= 253 and all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def machine_name() -> str:
    """Return the machine's name where it can be one in SMTP; never asks the DNS."""
    # Not getfqdn(), which asks the DNS: a start would hang when that is away.
    name = socket.gethostname().lower()
    return name if is_domain(name) else "localhost.localdomain"


def is_loopback(host: str) -> bool:
    """Whether a host, an IPv6 address without brackets, is this machine for sure."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_inside(host: str, allowed: Iterable[Network]) -> bool:
    """Whether a host is surely this machine or, by its address, in a network that is allowed."""
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name is never inside: what it leads to is decided by the DNS, and later.
        return False
    return any(address in network for network in allowed)
