"""Signed mail with random faults, its DNS, and what other verifiers make of it.

dkimpy verifies DKIM. mailauth, where node has it, verifies SPF, DKIM, ARC and DMARC with the tree
walk of RFC 9989; it runs once for all messages.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest

from gateway.authentication.result import Hop
from tests.support.dns_zone import Zone, zone
from tests.support.signing import ed25519_key, rsa_key, seal, sign

NOW = 1_800_000_000
_FIELDS = (
    b"To: team@example.test\r\n",
    b"Subject: The  offer\r\n",
    b"Subject: =?utf-8?q?caf=C3=A9?=\r\n open\r\n",
    b"Date: Tue, 1 Jul 2025 10:20:30 +0000\r\n",
    b"Message-ID: <a@sender.test>\r\n",
    b"Cc:\r\n",
    b"X-Folded:one\r\n\ttwo \r\n   three\r\n",
    b"X-Folded: \xc3\xa9\xff\r\n",
    b"Received: by a.test; Tue, 1 Jul 2025 10:20:30 +0000\r\n",
    b"MIME-Version:1.0\r\n",
)
_PIECES = (b"Hello,\r\n", b"\r\n", b"two  words\r\n", b"at the end \t\r\n", b"\tb\r\n", b"\xff\r\n")
_NAMES = (b"from", b"to", b"subject", b"date", b"message-id", b"cc", b"x-folded", b"x-none")
_FROMS = ("ann@sender.test", "ann@mail.sender.test", "ann@SENDER.test", "ann@a.b.sender.test")
_POLICIES = (
    "v=DMARC1; p=reject; rua=mailto:d@sender.test",
    "v=DMARC1; p=none; sp=reject; adkim=s",
    "v=DMARC1; p=quarantine; aspf=s; t=y",
    "v=DMARC1; p=reject; psd=n",
    "v=DMARC1; p=none; sp=none; np=reject; psd=y",
    "v=DMARC1; p=maybe",
    "v=dmarc1; p=reject",
)
_RECORDS = (
    "v=spf1 ip4:192.0.2.0/24 -all",
    "v=spf1 include:spf.test ~all",
    "v=spf1 a mx ?all",
    "v=spf1 redirect=spf.test",
    "v=spf1 exists:%{ir}.%{l}.%{d2}.spf.test -all",
    "v=spf1 ip4:192.0.2.300 -all",
    "v=spf1 ptr -all",
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A message, the client that brought it, and the DNS."""

    message: bytes
    hop: Hop
    dns: Zone


def variants(count: int, *, seed: int) -> Iterator[Variant]:
    """So many messages; the same for the same seed, but for the keys."""
    chance = random.Random(seed)
    for _ in range(count):
        message = _signed(_plain(chance), chance)
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            message = _changed(message, chance)
        reverse_path = chance.choice((*_FROMS, "bounce@other.test", ""))
        address = chance.choice(("192.0.2.7", "198.51.100.1", "2001:db8::7"))
        hop = Hop(address, chance.choice(("mx.sender.test", "mx.other.test")), reverse_path, False)
        yield Variant(message, hop, _dns(chance))


def _plain(chance: random.Random) -> bytes:
    fields = [f"From: Ann <{chance.choice(_FROMS)}>\r\n".encode()]
    fields += chance.choices(_FIELDS, k=chance.randint(1, 7))
    chance.shuffle(fields)
    body = b"".join(chance.choices(_PIECES, k=chance.randint(0, 6)))
    return b"".join(fields) + b"\r\n" + body


def _signed(message: bytes, chance: random.Random) -> bytes:
    forms = (b"simple", b"relaxed")
    for _ in range(chance.choice((0, 1, 1, 2))):
        number = chance.randrange(3)
        names = (b"from", *chance.choices(_NAMES, k=chance.randint(0, 6)))
        message = sign(
            message,
            domain=chance.choice(("sender.test", "mail.sender.test", "other.test")),
            selector=f"k{number}",
            key=_keys()[number],
            forms=(chance.choice(forms), chance.choice(forms)),
            names=names,
            length=chance.random() < 0.2,
        )
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        results = b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=sender.test\r\n"
        message = seal(results + message, domain="lists.test", selector="k0")
    return message


def _keys() -> list:  # type: ignore[type-arg]
    return [rsa_key(1024), rsa_key(2048), ed25519_key()]


def _changed(message: bytes, chance: random.Random) -> bytes:
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    place = chance.randrange(len(lines))
    kind = chance.randrange(10)
    if kind == 0:
        lines[place] = lines[place].replace(b" ", chance.choice((b"  ", b" \t", b"")), 1)
    elif kind == 1:
        name, colon, value = lines[place].partition(b":")
        lines[place] = name.swapcase() + colon + value
    elif kind == 2:
        lines.insert(place, chance.choice(lines))
    elif kind == 3:
        lines[place] = lines[place].rstrip() + chance.choice((b" ", b"\t", b"x"))
    elif kind == 4:
        octets = bytearray(lines[place] or b"x")
        octets[chance.randrange(len(octets))] = chance.choice(b"aZ09;=: ")
        lines[place] = bytes(octets)
    elif kind == 5:
        body += chance.choice((b"\r\n", b" \r\n", b"more\r\n", b"\r\n\r\n"))
    elif kind == 6:
        body = body.replace(b" ", b"  ", 1)
    elif kind == 7:
        body = re.sub(rb"(?m)\r$", b" \r", body, count=1)
    elif kind == 8:
        body = body[1:]
    elif len(lines) > 1:
        del lines[place]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _dns(chance: random.Random) -> Zone:
    made = zone()
    for number, key in enumerate(_keys()):
        for domain in ("sender.test", "mail.sender.test", "other.test", "lists.test"):
            if chance.random() < 0.9:
                made.publish(f"k{number}._domainkey.{domain}", "TXT", key.record)
    for domain in ("sender.test", "mail.sender.test", "b.sender.test", "other.test", "test"):
        if chance.random() < 0.5:
            made.publish(f"_dmarc.{domain}", "TXT", chance.choice(_POLICIES))
        if chance.random() < 0.8:
            made.publish(domain, "TXT", chance.choice(_RECORDS))
            made.publish(domain, "A", "192.0.2.7")
    made.publish("spf.test", "TXT", "v=spf1 ip4:192.0.2.7 -all")
    made.publish("mx.sender.test", "A", "192.0.2.7")
    made.publish("sender.test", "MX", "10 mx.sender.test.")
    return made


def dkimpy_passes(variant: Variant) -> list[bool] | None:
    """Whether dkimpy takes each signature, from the top; None when it cannot read the message."""

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        found = variant.dns.records.get((name.decode().rstrip("."), "TXT"))
        return found[0] if found and isinstance(found[0], bytes) else None

    try:
        reader = dkim.DKIM(variant.message, minkey=1024)
    except (dkim.DKIMException, IndexError):  # it reads no header with an odd line
        return None
    count = sum(name.lower() == b"dkim-signature" for name, _ in reader.headers)
    return [_passes(variant.message, place, answer) for place in range(count)]


def _passes(message: bytes, place: int, answer: object) -> bool:
    try:
        return bool(dkim.DKIM(message, minkey=1024).verify(idx=place, dnsfunc=answer))
    except Exception:
        return False  # dkimpy raises what it likes for a damaged field


@dataclass(frozen=True, slots=True)
class Theirs:
    """What mailauth says."""

    spf: str
    dkim: list[tuple[str, str, str]]
    arc: str
    dmarc: str | None
    policy_domain: str | None


_SCRIPT = Path(__file__).with_name("mailauth.cjs")


def need_mailauth() -> Path:
    """Return where mailauth is; skip the test where node does not have it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    install = "npm install --global mailauth@7.1.0 (node 20 or newer)"
    if npm is None or node is None:
        pytest.skip(f"node is not installed; {install}")
    known = os.environ.get("MAILAUTH_AT")
    root = (
        known
        or subprocess.run(
            [npm, "root", "--global"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    found = Path(root) / "mailauth" / "lib"
    if not found.is_dir():
        pytest.skip(f"mailauth is not installed; {install}")
    return found


def mailauth(library: Path, some: Sequence[Variant]) -> list[Theirs]:
    """Ask mailauth about these messages, in one process."""
    lines = "".join(json.dumps(_as_json(one)) + "\n" for one in some)
    ran = subprocess.run(
        ["node", str(_SCRIPT), str(library)],
        check=True,
        input=lines,
        capture_output=True,
        text=True,
        timeout=3000,
    )
    read = [json.loads(line) for line in ran.stdout.splitlines()]
    return [
        Theirs(one["spf"], [tuple(d) for d in one["dkim"]], one["arc"], one["dmarc"], one["at"])
        for one in read
    ]


def _as_json(variant: Variant) -> dict[str, object]:
    records = {
        f"{name} {kind}": [one.decode() if isinstance(one, bytes) else one for one in values]
        for (name, kind), values in variant.dns.records.items()
    }
    hop = variant.hop
    return {
        "message": b64encode(variant.message).decode(),
        "ip": hop.address,
        "helo": hop.helo,
        "sender": hop.reverse_path,
        "records": records,
    }
