"""Where a connection comes in: which protocol the listener speaks, and who the client is.

It is made by the process that accepts and travels with the descriptor to the one that serves.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Protocol = Literal["SMTP", "LMTP"]


class Origin(NamedTuple):
    """One accepted connection.

    `client_ip` is empty for a unix socket, whose peers are local programs that the file's mode
    lets in. `tls` says that the client begins with a TLS handshake, `proxied` that a trusted proxy
    named it.
    """

    protocol: Protocol
    client_ip: str
    tls: bool = False
    proxied: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it came by a unix socket: no limits, and as good as encrypted."""
        return not self.client_ip

    def packed(self) -> bytes:
        """A few octets, for the control channel of a mail process."""
        marks = f"{self.protocol[0]}{'t' if self.tls else 'p'}{'n' if self.proxied else '-'}"
        return f"{marks}{self.client_ip}".encode()


def unpacked(octets: bytes) -> Origin:
    """Return the origin that `packed` wrote."""
    text = octets.decode()
    return Origin("LMTP" if text[0] == "L" else "SMTP", text[3:], text[1] == "t", text[2] == "n")
