"""Where mail comes in besides `host:port`: unix sockets, their mode and group.

Rules: as in `config.values`: one grammar for all sources, a ValueError says what is expected, and
every accepted value has a text that is parsed to the same value.
"""

import grp
import re
from dataclasses import dataclass
from pathlib import Path

from config import values
from config.values import Endpoint, shown

# sockaddr_un holds 108 octets with the closing NUL.
_MOST_PATH_OCTETS = 107
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


MailEndpoint = Endpoint | UnixSocket


def mail_endpoints(value: object) -> tuple[MailEndpoint, ...]:
    """Parse host:port or unix:/path, several with commas or as an array; none is fine."""
    found = tuple(_mail_endpoint(part) for part in values.parts(value))
    for endpoint in found:
        is_free = isinstance(endpoint, Endpoint) and not endpoint.port
        if not is_free and found.count(endpoint) > 1:
            raise ValueError(f"{endpoint} is named twice")
    return found


def _mail_endpoint(text: str) -> MailEndpoint:
    if not text.startswith("unix:"):
        return values.endpoint(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path or len(path.encode()) > _MOST_PATH_OCTETS:
        raise ValueError(
            f"expected unix: and an absolute path of at most {_MOST_PATH_OCTETS} octets,"
            f" not {shown(text)}"
        )
    return UnixSocket(Path(path))


def socket_mode(value: object) -> int:
    """Parse the mode of a unix socket, in octal digits as chmod takes them."""
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
