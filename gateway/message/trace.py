"""The Received trace field that this gateway adds.

Rules this module keeps:

- No value of a peer enters the field unchecked: anything that is not plainly a host name, an
  address literal or an id is left out or becomes "unknown", so no line, comment or clause can be
  forged.
- There is no `for` clause: the field is the same in every copy, and would reveal one recipient to
  another (RFC 5321 7.2).

RFC 5321 4.4, RFC 3848 and RFC 6531 4.3 (names after "with").
"""

import re
import time
from functools import lru_cache

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?")
_LITERAL = re.compile(r"\[[A-Za-z0-9.:-]{1,60}\]")
_IP_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_ATOM = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def received_field(
    *,
    helo: str,
    client_ip: str,
    hostname: str,
    protocol: str,
    transaction_id: str,
    received_at: int,
    tls: str | None = None,
) -> bytes:
    """Build the field, folded, with its CRLF.

    `protocol` is the name after "with" (`ESMTP`, `UTF8SMTP`, `LMTP`), `tls` a version such as
    `TLSv1.3`, `received_at` microseconds since 1970.
    """
    by_whom = _by_whom((helo, client_ip), hostname, protocol, transaction_id, tls)
    return f"{by_whom}{date_time(received_at)}\r\n".encode("ascii")


@lru_cache(maxsize=256)
def _by_whom(
    peer: tuple[str, str], hostname: str, protocol: str, transaction_id: str, tls: str | None
) -> str:
    """Return the field up to its date: the same for all messages of a connection."""
    helo, client_ip = peer
    encryption = f" ({_atom(tls)})" if tls else ""
    # No `for` clause: it would show a blind recipient to the others.
    return (
        f"Received: from {_host(helo)}{_seen_from(client_ip)}\r\n"
        f"\tby {_host(hostname)} with {_atom(protocol)}{encryption} id {_atom(transaction_id)};\r\n"
        "\t"
    )


def date_time(moment: int) -> str:
    """Write microseconds since 1970 as an RFC 5322 date, in UTC whatever the locale."""
    return _second(moment // 1_000_000)


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    at = time.gmtime(moment)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04}"
        f" {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"
    )


@lru_cache(maxsize=256)
def _host(name: str) -> str:
    safe = _HOST.fullmatch(name) or _LITERAL.fullmatch(name)
    return name if safe else "unknown"


@lru_cache(maxsize=256)
def _seen_from(client_ip: str) -> str:
    """Return the address the connection came from; empty for a socket that has none."""
    address = client_ip.partition("%")[0]
    if not _IP_ADDRESS.fullmatch(address):
        return ""
    return f" ([IPv6:{address}])" if ":" in address else f" ([{address}])"


def _atom(text: str) -> str:
    return text if _ATOM.fullmatch(text) else "unknown"
