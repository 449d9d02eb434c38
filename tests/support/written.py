"""Messages written in a test, and what the parser makes of them."""

from __future__ import annotations

import zlib

from gateway.parser.message import parse
from storage.message_format.mime_parts import Parsed
from storage.message_format.transfer_encoding import joined, read_text

H = "From: a@x.test\nMIME-Version: 1.0\n"
TEXT = "Content-Type: text/plain; charset=utf-8\n\nThe letter"


def read(written: str | bytes) -> tuple[Parsed, str]:
    """Parse a message with LF at the ends of its lines; the result, and its text."""
    data = written.encode() if isinstance(written, str) else written
    data = data.replace(b"\n", b"\r\n")
    found = parse(data, lambda: True)
    parts = [(data[one.start : one.end], one) for one in found.text_parts]
    texts = [read_text(octets, one.encoding, one.charset, one.flow) for octets, one in parts]
    return found, zlib.decompress(found.text).decode() if found.text else joined(texts)


def multipart(kind: str, *parts: str) -> str:
    """A message of parts, each with its header."""
    within = "".join(f"--BB\n{part}\n" for part in parts)
    return f"{H}Content-Type: multipart/{kind}; boundary=BB\n\n{within}--BB--\n"


def page_of(found: Parsed) -> str:
    """The letter as HTML; empty when there is none."""
    return zlib.decompress(found.html).decode() if found.html else ""
