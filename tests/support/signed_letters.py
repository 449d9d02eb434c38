"""Letters that are signed as a whole, as S/MIME writes them; their signatures are left out."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Sequence

SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
DIGESTED_DATA = bytes.fromhex("06092a864886f70d010705")
DATA = bytes.fromhex("06092a864886f70d010701")
VERSION = b"\x02\x01\x01"
SHA_256 = bytes.fromhex("310d300b0609608648016503040201")
CERTIFICATES = b"\xa0\x03\x02\x01\x07"  # what stands behind the content is not looked at
END = b"\x00\x00"
SMIME = "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"


def element(tag: int, value: bytes) -> bytes:
    """An element of DER."""
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + value


def open_element(tag: int, value: bytes) -> bytes:
    """An element of BER that does not tell its length."""
    return bytes([tag, 0x80]) + value + END


def in_der(signed: bytes, kind: bytes = SIGNED_DATA) -> bytes:
    """A ContentInfo that tells every length."""
    content = element(0x30, DATA + element(0xA0, element(0x04, signed)))
    data = element(0x30, VERSION + SHA_256 + content + CERTIFICATES)
    return element(0x30, kind + element(0xA0, data))


def in_ber(pieces: Sequence[bytes], algorithms: bytes = SHA_256) -> bytes:
    """A ContentInfo that tells no length, with its content in pieces."""
    octets = open_element(0x24, b"".join(element(0x04, piece) for piece in pieces))
    content = open_element(0x30, DATA + open_element(0xA0, octets))
    data = open_element(0x30, VERSION + algorithms + content + CERTIFICATES)
    return open_element(0x30, SIGNED_DATA + open_element(0xA0, data))


def message(cms: bytes, content_type: str = SMIME) -> bytes:
    """The message that such octets come in."""
    head = f"From: a@x.test\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64"
    return head.encode() + b"\r\n\r\n" + encodebytes(cms).replace(b"\n", b"\r\n")
