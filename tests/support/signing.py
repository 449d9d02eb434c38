"""Signed messages for tests: signed by dkimpy, with keys made once."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import NamedTuple

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

MESSAGE = (
    b"From: Ann <ann@sender.test>\r\nTo: team@example.test\r\n"
    b"Subject: The  offer\r\nDate: Tue, 1 Jul 2025 10:20:30 +0000\r\n"
    b"Message-ID: <a@sender.test>\r\n\r\nHello,\r\n\r\nthe offer  stands.\t\r\n\r\n\r\n"
)
SIGNED = (b"from", b"to", b"subject", b"date", b"message-id", b"from")


class KeyPair(NamedTuple):
    """A key as dkimpy takes it, and the TXT record of its public half."""

    private: bytes
    record: str
    algorithm: bytes


@cache
def rsa_key(bits: int = 2048) -> KeyPair:
    """An RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(pem, f"v=DKIM1; k=rsa; p={b64encode(der).decode()}", b"rsa-sha256")


@cache
def ed25519_key() -> KeyPair:
    """An Ed25519 key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = f"v=DKIM1; k=ed25519; p={b64encode(public).decode()}"
    return KeyPair(b64encode(private), record, b"ed25519-sha256")


def sign(
    message: bytes = MESSAGE,
    *,
    domain: str = "sender.test",
    selector: str = "s1",
    key: KeyPair | None = None,
    forms: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    names: tuple[bytes, ...] = SIGNED,
    length: bool = False,
) -> bytes:
    """Return the message with a DKIM-Signature on top."""
    key = key or rsa_key()
    field = dkim.sign(
        message,
        selector.encode(),
        domain.encode(),
        key.private,
        canonicalize=forms,
        signature_algorithm=key.algorithm,
        include_headers=names,
        length=length,
    )
    return bytes(field) + message


def seal(message: bytes, *, domain: str, selector: str = "s1", server: str = "mx.test") -> bytes:
    """Return the message with an ARC set on top; it needs an Authentication-Results of `server`."""
    lines = dkim.arc_sign(
        message, selector.encode(), domain.encode(), rsa_key().private, server.encode()
    )
    return b"".join(lines) + message
