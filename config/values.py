"""Parsers of setting values: from an operator's text to a typed value, and back.

Rules: every parser takes a TOML value or a variable's text, so that all sources follow one grammar;
it raises ValueError with a message that says what is expected, fit to be shown after the key. Every
accepted value has a text that is parsed to the same value.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from config.hosts import Network, ip6, is_domain, is_host, machine_name

T = TypeVar("T")
Parser = Callable[[object], T]

SIZE = re.compile(r"([0-9]{1,18}) *(B|KiB|MiB|GiB)?", re.IGNORECASE)
RATE = re.compile(r"([0-9]{1,7}) */ *min +burst +([0-9]{1,7})", re.IGNORECASE)
DURATION = re.compile(r"([0-9]{1,9}) *([smhd])", re.IGNORECASE)
DIGITS = re.compile(r"[0-9]{1,18}")
UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
COUNT_MAX = 2**31 - 1
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on: a host (IPv6 without brackets) and a port, 0 for a free one.

    `proxy`: connections begin with a header of the PROXY protocol.
    """

    host: str
    port: int
    proxy: bool = False

    def __str__(self) -> str:
        mark = "proxy:" if self.proxy else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{mark}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a minute, and so many together after a pause."""

    per_minute: int
    burst: int


def shown(value: object) -> str:
    """Return an operator's value for a message: quoted, without control characters, short."""
    text = ascii(value) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= 60 else text[:59] + "…"


def optional_endpoint(example: str) -> Parser[Endpoint | None]:
    """Return a parser of the host:port of another server, or nothing."""

    def parse(value: object) -> Endpoint | None:
        if not isinstance(value, str):
            raise ValueError(f"expected host:port, such as {example}, not {shown(value)}")
        if not value.strip():
            return None
        server = endpoint(value.strip())
        if not server.port:
            raise ValueError(f"expected the port of a server, such as {example}; it is never 0")
        return server

    return parse


def optional_text(value: object | None) -> str:
    """Write the address of another server, or the path of a file."""
    return "" if value is None else str(value)


def endpoint(text: str) -> Endpoint:
    """Parse one host:port."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not DIGITS.fullmatch(port):
        raise ValueError(f"expected host:port, such as 127.0.0.1:2525, not {shown(text)}")
    if int(port) > 65535:
        raise ValueError(f"a port is at most 65535, not {port}")
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(ip6(host[1:-1]), int(port))
    if ":" in host:
        raise ValueError(f"an IPv6 address needs brackets, such as [::1]:25, not {shown(text)}")
    if not is_host(host):
        raise ValueError(f"{shown(host)} is neither an address nor a host name")
    return Endpoint(host, int(port))


name_server = optional_endpoint("127.0.0.1:53")
smarthost = optional_endpoint("smtp.example.net:587")


def networks(value: object) -> tuple[Network, ...]:
    """Parse IP networks such as 10.0.0.0/8 or single addresses; none is fine."""
    return tuple(_network(part) for part in parts(value))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        widened = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"expected a network such as 10.0.0.0/8 or 2001:db8::/32, not {shown(text)}"
        ) from None
    raise ValueError(f"{shown(text)} has bits set behind its mask; did you mean {widened}?")


def domains(value: object) -> tuple[str, ...]:
    """Parse domain names, in lower case and without their last dot; none is fine."""
    names = tuple(part.removesuffix(".").lower() for part in parts(value))
    for name in names:
        if not is_domain(name):
            raise ValueError(f"expected a domain such as mx.example.com, not {shown(name)}")
    return names


def parts(value: object) -> list[str]:
    """Split text at its commas, or take an array of texts; empty parts do not count."""
    if isinstance(value, str):
        parts = value.split(",")
    elif isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        parts = list(value)
    else:
        raise ValueError(f"expected text or an array of texts, not {shown(value)}")
    return [part.strip() for part in parts if part.strip()]


def size(*, minimum: int, maximum: int) -> Parser[int]:
    """Return a parser for a number of bytes: 52428800 or "50MiB"."""

    def parse(value: object) -> int:
        if isinstance(value, str) and (match := SIZE.fullmatch(value.strip())):
            octets = int(match[1]) * UNITS[(match[2] or "").lower()]
        # For Python a bool is an int: `true` would be one byte.
        elif isinstance(value, int) and not isinstance(value, bool):
            octets = value
        else:
            raise ValueError(f"expected bytes or a size such as 50MiB, not {shown(value)}")
        if not minimum <= octets <= maximum:
            raise ValueError(
                f"expected {size_text(minimum)} to {size_text(maximum)}, not {size_text(octets)}"
            )
        return octets

    return parse


def size_text(octets: int) -> str:
    """Write a number of bytes with the largest unit that divides it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if octets and octets % factor == 0:
            return f"{octets // factor}{unit}"
    return str(octets) if abs(octets) <= COUNT_MAX else "such a number"


def count(*, minimum: int = 1, maximum: int = COUNT_MAX) -> Parser[int]:
    """Return a parser for a whole number."""

    def parse(value: object) -> int:
        if isinstance(value, str) and DIGITS.fullmatch(value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"expected a whole number, not {shown(value)}")
        if not minimum <= value <= maximum:
            raise ValueError(f"expected a whole number from {minimum} to {maximum}")
        return value

    return parse


def duration(*, minimum: float) -> Parser[float]:
    """Return a parser for a time: seconds, or a number with s, m, h or d."""
    plain = seconds(minimum=minimum)

    def parse(value: object) -> float:
        found = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        return plain(int(found[1]) * SECONDS[found[2].lower()] if found else value)

    return parse


def duration_text(value: float) -> str:
    """Write a time in the largest unit in which it is a whole number."""
    for unit in "dhm":
        if value >= SECONDS[unit] and value % SECONDS[unit] == 0:
            return f"{value / SECONDS[unit]:.0f}{unit}"
    return f"{value:g}"


def credential(value: object) -> str:
    """Parse a name or a password for another server: printable characters, not trimmed."""
    # The message shows nothing of it: it may be a password.
    if not isinstance(value, str) or len(value) > 1000 or not all(map(str.isprintable, value)):
        raise ValueError("expected at most 1000 printable characters")
    return value


def seconds(*, minimum: float) -> Parser[float]:
    """Return a parser for a time in seconds; fractions are fine, a year is the most."""
    most = 365 * 86_400.0

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"expected seconds, not {shown(value)}")
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ValueError(f"expected seconds, not {shown(value)}") from None
        if math.isnan(number) or not minimum <= number <= most:
            raise ValueError(f"expected seconds from {minimum:g} to {most:.0f}")
        return number

    return parse


def rate(value: object) -> Rate | None:
    """Parse a rate with its burst, or nothing."""
    if not isinstance(value, str):
        raise ValueError(f"expected a rate such as 60/min burst 120, not {shown(value)}")
    if not value.strip():
        return None
    found = RATE.fullmatch(value.strip())
    if found is None or not int(found[1]) or not int(found[2]):
        raise ValueError(f"expected a rate such as 60/min burst 120, not {shown(value)}")
    return Rate(int(found[1]), int(found[2]))


def rate_text(value: Rate | None) -> str:
    """Write a rate with its burst."""
    return "" if value is None else f"{value.per_minute}/min burst {value.burst}"


def choice(options: tuple[T, ...]) -> Parser[T]:
    """Return a parser for one of a few words; capitals do not matter."""
    expected = " or ".join(str(option) for option in options if option)

    def parse(value: object) -> T:
        for option in options:
            if isinstance(value, str) and value.strip().lower() == option:
                return option
        raise ValueError(f"expected {expected}, not {shown(value)}")

    return parse


def directory(value: object) -> Path:
    """Parse a directory's path; a relative one counts from where the process starts."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError(f"expected the path of a directory, not {shown(value)}")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home directory for {shown(value)}") from None


def optional_file(value: object) -> Path | None:
    """Parse the path of a file, or nothing."""
    if isinstance(value, str) and not value.strip():
        return None
    try:
        return directory(value)
    except ValueError:
        raise ValueError(f"expected the path of a file, not {shown(value)}") from None


def hostname(value: object) -> str:
    """Parse the name this server calls itself; empty stands for the machine's own."""
    if not isinstance(value, str):
        raise ValueError(f"expected a host name, not {shown(value)}")
    name = value.strip().lower()
    if not name:
        return machine_name()
    if not is_domain(name):
        raise ValueError(f"{shown(value)} is no host name; expected one such as mail.example.com")
    return name


def mailbox(value: object) -> str:
    """Parse an address or nothing; the store checks later whether an inbox has it."""
    text = value.strip() if isinstance(value, str) else value
    if text == "":
        return ""
    if not isinstance(text, str) or len(text) > 254 or not text.isprintable() or " " in text:
        raise ValueError(f"expected an address such as office@example.com, not {shown(value)}")
    local_part, _, domain = text.rpartition("@")
    if not local_part or len(local_part.encode()) > 64 or not _is_mail_domain(domain):
        raise ValueError(f"expected an address such as office@example.com, not {shown(value)}")
    return text


def _is_mail_domain(text: str) -> bool:
    if not text.isascii():
        try:
            text = text.encode("idna").decode()
        except UnicodeError:
            return False
    return is_domain(text.removesuffix("."))


def secret(value: object) -> str:
    """Parse a secret of printable ASCII without spaces, or nothing; never shown in a message."""
    if not isinstance(value, str):
        # Not `shown(value)`: it may be a secret of another type, as a number.
        raise ValueError("expected text")
    text = value.strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("expected printable ASCII without spaces")
    return text


def written(value: object) -> str:
    """Write a setting's value as it may be given in a variable."""
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
