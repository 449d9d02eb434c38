"""Settings of the listeners beyond `host:port`: unix sockets, their mode and group.

Rules: as in `config.values`: one grammar for all sources, a ValueError says what is expected, and
every accepted value has a text that is parsed to the same value.
"""

import grp
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from config import values
from config.values import Endpoint, shown

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # asked, not bound
# sockaddr_un holds 108 octets with the closing NUL.
_MOST_PATH_OCTETS = 107
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


T = TypeVar("T")
MailEndpoint = Endpoint | UnixSocket


def reachable(endpoint: Endpoint) -> Endpoint:
    """Return the address to connect to for `endpoint`: loopback for a wildcard."""
    return Endpoint(_WILDCARDS.get(endpoint.host, endpoint.host), endpoint.port)


def smtp_endpoints(value: object) -> tuple[Endpoint, ...]:
    """Parse one or more host:port or proxy:host:port, several with commas or as an array."""
    found = smtps_endpoints(value)
    if not found:
        raise ValueError("expected host:port, such as 127.0.0.1:2525")
    return found


def smtps_endpoints(value: object) -> tuple[Endpoint, ...]:
    """Parse like `smtp_endpoints`; none is fine."""
    return _once(tuple(_tcp_endpoint(part) for part in values.parts(value)))


def mail_endpoints(value: object) -> tuple[MailEndpoint, ...]:
    """Parse host:port, proxy:host:port or unix:/path; none is fine."""
    return _once(tuple(_mail_endpoint(part) for part in values.parts(value)))


def _once(found: tuple[T, ...]) -> tuple[T, ...]:
    plain = [address_of(one) for one in found]
    for endpoint in plain:
        # Port 0 is another free port each time.
        is_free = isinstance(endpoint, Endpoint) and not endpoint.port
        if not is_free and plain.count(endpoint) > 1:
            raise ValueError(f"{endpoint} is named twice")
    return found


def address_of(endpoint: object) -> object:
    """Return the address to bind, without the mark of the PROXY protocol."""
    return replace(endpoint, proxy=False) if isinstance(endpoint, Endpoint) else endpoint


def _tcp_endpoint(text: str) -> Endpoint:
    rest = text.removeprefix("proxy:")
    return replace(values.endpoint(rest), proxy=rest != text)


def _mail_endpoint(text: str) -> MailEndpoint:
    if not text.startswith("unix:"):
        return _tcp_endpoint(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path or len(path.encode()) > _MOST_PATH_OCTETS:
        raise ValueError(
            f"expected unix: and an absolute path of at most {_MOST_PATH_OCTETS} octets,"
            f" not {shown(text)}"
        )
    return UnixSocket(Path(path))


def socket_mode(value: object) -> int:
    """Parse the mode of a unix socket, in octal digits as chmod takes them."""
    # Text only: as a number TOML refuses 0660, and 660 would be another mode.
    if not isinstance(value, str) or not _MODE.fullmatch(value.strip()):
        raise ValueError(f'expected a mode in octal digits such as "0660", not {shown(value)}')
    return int(value, 8)


def socket_mode_text(mode: int) -> str:
    """Write the mode of a unix socket."""
    return f"{mode:04o}"


def group(value: object) -> str:
    """Parse the name of a group of this machine, or nothing."""
    name = value.strip() if isinstance(value, str) else value
    if not isinstance(name, str):
        raise ValueError(f"expected the name of a group, not {shown(value)}")
    if name:
        try:
            grp.getgrnam(name)
        except KeyError:
            raise ValueError(f"there is no group {shown(name)}") from None
    return name
