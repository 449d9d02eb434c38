"""TLS of a listener: the certificate in use, and the records of one connection.

- TLS 1.2 at least; a client cannot make us negotiate anew.
- The files are read at the start and at SIGHUP. Connections keep what they began with; files that
  cannot be used change nothing.
- Records are made and read in memory: what goes out is written as plain octets are, in one write,
  and what comes in is decrypted where it is received.

RFC 8446; RFC 3207 and 8314 for SMTP.
"""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

HANDSHAKE_SECONDS = 30.0
_READ = 16 * 1024  # a record holds no more, and one read gives one record at most (RFC 8446 5.1)


class Certificate:
    """Our certificate and its key."""

    __slots__ = ("_chain", "_key", "context")

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises OSError with a text that says which file is at fault."""
        self._chain = chain
        self._key = key
        self.context = _context(chain, key)

    def reload(self) -> None:
        """Read the files again, for connections from now on. Raises OSError."""
        self.context = _context(self._chain, self._key)


def _context(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A handshake costs the server far more than the client that asks for it.
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # A key with a password is a fault: nobody is there to type it.
        context.load_cert_chain(chain, key, password=lambda: b"")
    except OSError as error:
        raise OSError(_why_unusable(chain, key, error)) from error
    return context


def _why_unusable(chain: Path, key: Path, error: OSError) -> str:
    """Tell in words what is wrong with the files: the texts of OpenSSL name neither."""
    octets = []
    for path in (chain, key):
        try:
            octets.append(path.read_bytes())
        except OSError as unread:
            return f"{path}: {unread.strerror}"
    if b"-----BEGIN CERTIFICATE-----" not in octets[0]:
        return f"{chain} holds no certificate in PEM"
    if b" PRIVATE KEY-----" not in octets[1]:
        return f"{key} holds no key in PEM"
    if b"ENCRYPTED" in octets[1]:
        return f"{key} has a password; a server needs a key without"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of {chain}"
    return f"{chain}, {key}: {error}"


class TlsRecords:
    """Our side of one TLS connection, between two buffers."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "ended", "established")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False
        self.ended = False

    @property
    def version(self) -> str | None:
        """The version agreed on, such as `TLSv1.3`."""
        return self._tls.version() if self.established else None

    def decrypt(self, octets: bytes) -> bytes:
        """Return the text that became readable with `octets`. Raises ssl.SSLError.

        Records to send in return are in `take_outgoing`. `ended`: no more will come.
        """
        self._incoming.write(octets)
        plain: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            # A read that finds nothing raises, at the cost of the record before it: most of what
            # comes is one whole record, and an empty buffer has no more.
            while self._incoming.pending or self._tls.pending():
                chunk = self._tls.read(_READ)
                if not chunk:
                    self.ended = True
                    break
                plain.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def encrypt(self, octets: bytes) -> bytes:
        """The records that carry `octets`. Raises ssl.SSLError."""
        view = memoryview(octets)
        while view:
            view = view[self._tls.write(view) :]
        return self._outgoing.read()

    def take_outgoing(self) -> bytes:
        """The handshake's own records and alerts that wait to be sent."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> bytes:
        """The record that says that we send no more, once there is a connection to end."""
        if self.established:
            with contextlib.suppress(ssl.SSLError):  # the peer has not said so yet
                self._tls.unwrap()
        return self.take_outgoing()
