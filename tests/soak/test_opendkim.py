"""Letters as Debian's `opendkim-testmsg` signs them: dkimpy finds that each signature holds."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dkim
import pytest

from gateway.authentication.signatures.dkim import check_signatures
from gateway.authentication.signatures.header_block import cut
from gateway.authentication.signed_message import read_signed
from storage.engines.opening import EMBEDDED
from tests.admin_api.outbound.test_letters import MESSAGES, question, send, sending_world
from tests.builders import SALES, TENANT_OWNER, World
from tests.programs import need
from tests.support.cases import cases
from tests.support.dns_zone import zone
from tests.support.engines import Engine
from tests.support.signing import rsa_key

pytestmark = pytest.mark.soak

NOW = 1_800_000_000
KEY = "s1._domainkey.example.test"
TO = [{"email": "grace@sender.test", "name": "Grace, née Brewster"}]
LETTERS: dict[str, dict[str, Any]] = {
    "plain": {"text_body": "In March.\n"},
    "dots, spaces and empty lines": {"text_body": "..\n.\n  a  \t\n\n\n \n.\n\n\n"},
    "no line end": {"text_body": "x"},
    "names and subject in Unicode": {"text_body": "Grüße", "subject": "Grüße " * 40},
    "long lines": {"text_body": "word " * 2_000 + "\n" + "x" * 5_000},
    "long enough for base64": {"text_body": "é" * 60_000},
    "two forms": {"text_body": "Hi.", "html_body": "<p>Hi &amp; bye</p>\n" * 50},
    "HTML alone": {"html_body": "<p>.\n.\r\n</p>"},
    "From_ and boundary look-alikes": {"text_body": "From me\n--=_\n--\n-- \nFrom: x\n"},
}


async def _signed(program: str, key: Path, letter: bytes, forms: str) -> bytes:
    words = ("-C", forms, "-d", "example.test", "-s", "s1", "-k", str(key))
    running = await asyncio.create_subprocess_exec(
        program, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    found, _ = await asyncio.wait_for(running.communicate(letter), 30)
    assert running.returncode == 0
    return found


async def _octets(world: World, letter: Mapping[str, Any]) -> bytes:
    more = {"inbox_id": world.ids[SALES], **letter}
    made = await send(world, TENANT_OWNER, more=more)
    async with world.client(SALES) as api:
        return (await api.get(f"{MESSAGES}{made['message_id']}/raw/")).content


async def test_what_opendkim_signs_of_a_letter_holds(tmp_path: Path) -> None:
    program, pair = need("opendkim-testmsg", "opendkim-tools"), rsa_key()
    key = tmp_path / "key.pem"
    key.write_bytes(pair.private)
    key.chmod(0o600)
    dns = zone({KEY: pair.record})

    def record(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == KEY
        return pair.record.encode()

    async with sending_world(Engine("sqlite", EMBEDDED, tmp_path / "data")) as world:
        asked = await question(world)
        given = {name: {"to": TO, **letter} for name, letter in LETTERS.items()}
        given["an answer with its quotation"] = {
            "reply_to_message_id": asked,
            "reply_all": True,
            "quote": "last",
            "text_body": "Below.",
        }
        with cases() as case:
            for name, letter in given.items():
                octets = await _octets(world, letter)
                for forms in ("simple/simple", "relaxed/relaxed", "relaxed/simple"):
                    with case(f"{name}, {forms}"):
                        signed = await _signed(program, key, octets, forms)
                        assert signed.endswith(octets.partition(b"\r\n\r\n")[2])
                        assert dkim.verify(signed, dnsfunc=record)
                        # It knows SHA-1 only, which we take from nobody (RFC 8301 3.1).
                        read = read_signed([signed])
                        block = cut(read.header)
                        (one,) = await check_signatures(block, read.body_hashes, dns, now=NOW)
                        assert (one.dkim.result, one.dkim.reason) == ("policy", "sha1")
