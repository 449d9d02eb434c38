"""The interface of a server under test."""

import socket
from typing import NamedTuple, Protocol

DOMAIN = "bench.test"


class Endpoint(NamedTuple):
    """Where a server listens; always on loopback."""

    host: str
    port: int


class MailServer(Protocol):
    """A running server with one list for each number of members that is measured."""

    @property
    def name(self) -> str:
        """The name of the server in the tables."""

    @property
    def smtp(self) -> Endpoint:
        """Where it takes mail."""

    @property
    def pid(self) -> int:
        """The process all its others descend from."""

    @property
    def shares_content(self) -> bool:
        """Whether a message is on disk once, however many copies there are."""

    def settle(self, *, timeout: float) -> None:
        """Return once every copy of every accepted message is in its mailbox.

        Raises BenchmarkFault when that takes longer than `timeout` seconds.
        """

    def copies(self) -> int:
        """Count the copies that are in mailboxes now."""


def list_address(members: int) -> str:
    """Return the address of the list with that many members, the same on every server."""
    return f"team{members}@{DOMAIN}"


def member_address(number: int) -> str:
    """Return the address of the numbered member, from 1; members are shared by all the lists."""
    return f"member{number}@{DOMAIN}"


def free_endpoint() -> Endpoint:
    """Return a loopback endpoint nobody listens on right now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        return Endpoint("127.0.0.1", listener.getsockname()[1])
