"""Where listeners listen: host:port, behind a proxy or not, and unix sockets with mode and group.

Rules: as in `config.values`: one grammar for all sources, a ValueError says what is expected, and
every accepted value has a text that is parsed to the same value.
"""

import grp
import re
from dataclasses import dataclass, replace
from pathlib import Path

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


ListenAddress = Endpoint | UnixSocket


def reachable(address: ListenAddress) -> ListenAddress:
    """Return the address to connect to for `address`: loopback for a wildcard."""
    if isinstance(address, UnixSocket):
        return address
    return Endpoint(_WILDCARDS.get(address.host, address.host), address.port)


def url_of(address: ListenAddress) -> str:
    """Return where the API is: a URL, or the unix socket, for which there is none."""
    return str(address) if isinstance(address, UnixSocket) else f"http://{address}"


def smtp_addresses(value: object) -> tuple[ListenAddress, ...]:
    """Parse one or more of host:port, proxy:host:port and unix:/path, with commas or an array."""
    return _some(mail_addresses(value))


def mail_addresses(value: object) -> tuple[ListenAddress, ...]:
    """Parse like `smtp_addresses`; none is fine."""
    return _once(tuple(_mail_address(part) for part in values.parts(value)))


def http_addresses(value: object) -> tuple[ListenAddress, ...]:
    """Parse one or more of host:port and unix:/path, with commas or as an array."""
    return _some(_once(tuple(_address(part) for part in values.parts(value))))


def _some(found: tuple[ListenAddress, ...]) -> tuple[ListenAddress, ...]:
    if not found:
        raise ValueError("expected host:port, such as 127.0.0.1:2525, or unix:/path")
    return found


def _once(found: tuple[ListenAddress, ...]) -> tuple[ListenAddress, ...]:
    plain = [address_of(one) for one in found]
    for endpoint in plain:
        # Port 0 is another free port each time.
        is_free = isinstance(endpoint, Endpoint) and not endpoint.port
        if not is_free and plain.count(endpoint) > 1:
            raise ValueError(f"{endpoint} is named twice")
    return found


def address_of(address: ListenAddress) -> ListenAddress:
    """Return the address to bind, without the mark of the PROXY protocol."""
    return replace(address, proxy=False) if isinstance(address, Endpoint) else address


def _mail_address(text: str) -> ListenAddress:
    rest = text.removeprefix("proxy:")
    address = _address(rest)
    if rest == text:
        return address
    # A local program has no address that could be in `trusted_proxies`.
    if isinstance(address, UnixSocket):
        raise ValueError(f"proxy: is for host:port, not for a unix socket: {shown(text)}")
    return replace(address, proxy=True)


def _address(text: str) -> ListenAddress:
    if not text.startswith("unix:"):
        return values.endpoint(text)
    path = text.removeprefix("unix:")
    is_path = path.startswith("/") and path.isprintable()  # no NUL, no lone surrogates
    if not is_path or len(path.encode()) > _MOST_PATH_OCTETS:
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
