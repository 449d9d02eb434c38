"""Messages with random faults, and what two other parsers make of their parts.

The others are Python's `email` (compat32) and `mailparse`, which is written in Rust and comes as
`fast-mail-parser`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message
from importlib.util import find_spec
from pathlib import Path

import fast_mail_parser

from gateway.parser.structure import Source, split
from storage.message_format.transfer_encoding import decode
from tests.support.inputs import DIRECTORY

_FOREIGN = (b"\r", b"\n", b"\x00", b"\xff", b"=", b"--BB\r\n", b": ", b"no field\r\n", b'"', b"\t")
_ENCODINGS = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"}


def seeds() -> list[bytes]:
    """Our own messages, and those that Python tests its parser with, where they are installed."""
    found = [file.read_bytes() for file in sorted(DIRECTORY.glob("*.eml"))]
    spec = find_spec("test.test_email") if find_spec("test") else None
    if spec is not None and spec.origin is not None:
        data = Path(spec.origin).parent / "data"
        found += [file.read_bytes() for file in sorted(data.glob("msg_*.txt"))]
    return found


def mutants(count: int, *, seed: int) -> Iterator[bytes]:
    """So many messages, each with one to four faults; the same for the same seed."""
    chance = random.Random(seed)
    whole = seeds()
    for _ in range(count):
        data = chance.choice(whole)[: 64 * 1024]
        for _ in range(chance.randint(1, 4)):
            data = _faulty(data, chance)
        yield data


def _faulty(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    place = chance.randrange(len(lines))
    kind = chance.randrange(7)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, chance.choice(lines))
    elif kind == 2:
        lines[place] = lines[place].rstrip(b"\r\n") + chance.choice((b"\n", b"\r", b" \r\n"))
    elif kind == 3:
        lines[place] = lines[place].lstrip(b" \t")
    elif kind == 4:
        return data[: chance.randint(0, len(data))]
    else:
        octet = chance.randint(0, len(data))
        return data[:octet] + chance.choice(_FOREIGN) + data[octet + (kind == 5) :]
    return b"".join(lines)


def agreed_parts(data: bytes) -> list[bytes] | None:
    """The octets of all parts where both other parsers read them alike and see no fault.

    Three faults they do not see: an encoding that RFC 2045 does not spell so (they decode nothing),
    a boundary in front of the first field (they take it for the beginning of a field's name), and
    in a digest two boundaries in a row (they read a message of nothing between them). A digest
    whose messages are whole is no fault, but we keep each as a file, where they open it.
    """
    try:
        known = message_from_bytes(data, policy=policy.compat32)
    except ValueError:  # a NUL in the name of a charset
        return None
    encodings = {str(part.get("content-transfer-encoding", "")).lower() for part in known.walk()}
    if any(part.defects for part in known.walk()) or not encodings <= _ENCODINGS:
        return None
    if data.startswith(b"--") or known.get_content_type() == "multipart/digest":
        return None
    try:
        theirs = [_plain(one) for one in _of_python(known)]
    except ValueError:  # a NUL in the name of a charset
        return None
    try:
        root = fast_mail_parser.parse_email_tree(data)
        others = [
            _plain(part.content or b"")
            for part in fast_mail_parser.walk(root)
            if not part.children and not part.content_type.startswith("multipart/")
        ]
    except fast_mail_parser.ParseError:
        return None
    return theirs if theirs == others else None


def _of_python(message: Message) -> Iterator[bytes]:
    for part in message.walk():
        if part.get_content_maintype() == "multipart":
            continue
        payload = part.get_payload(decode=True)
        yield payload if isinstance(payload, bytes) else b""


def our_parts(data: bytes) -> list[bytes]:
    """The octets of all parts as the parser reads them."""
    leaves = split(Source(data), lambda: True).leaves
    return [_plain(decode(data[one.start : one.end], one.kind.encoding)) for one in leaves]


def _plain(octets: bytes) -> bytes:
    """Octets without what line ends at a boundary, and lines, are counted to differently."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip(b"\n")
