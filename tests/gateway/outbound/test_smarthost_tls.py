"""The connection to the smarthost: TLS in both ways, and what is no safe connection."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.outbound.smarthost import HostFailed, SignInRefused, Smarthost, Waits, connect
from tests.support.cases import cases
from tests.support.certificates import certificate
from tests.support.smarthost import HANG, HANG_UP, RecordingSmarthost, recording_smarthost

SHORT = Waits(connect=2, command=2, block=2, dot=2, letter=5)


def context_of(chain: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain, key)
    return made


async def refusal(smarthost: Smarthost) -> str:
    """Why a connection is not made."""
    with pytest.raises(HostFailed) as found:
        (await connect(smarthost)).abort()
    return str(found.value)


def reached(host: RecordingSmarthost, chain: Path | None, name: str = "localhost") -> Smarthost:
    return Smarthost(
        name, host.port, "starttls", chain, "postroom", "secret", "postroom.test", SHORT
    )


def told(host: RecordingSmarthost, word: str) -> bool:
    return any(line.startswith(word) for line in host.lines)


async def test_nothing_secret_goes_over_a_connection_that_is_not_safe(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, name="localhost")
    tls = context_of(chain, key)
    async with recording_smarthost(tls) as host:
        with cases() as case:
            with case("STARTTLS with a certificate that is trusted"):
                connection = await connect(reached(host, chain))
                assert told(host, "AUTH PLAIN")
                await connection.quit()
            with case("one of nobody known"):
                host.lines.clear()
                assert "certificate" in (await refusal(reached(host, None))).lower()
                assert not told(host, "AUTH")
            with case("one of another name"):
                host.lines.clear()
                why = await refusal(reached(host, chain, "127.0.0.1"))
                assert "127.0.0.1" in why
                assert not told(host, "AUTH")
            faults: dict[str, tuple[str, bytes | Callable[[str], bytes | str | None] | None]] = {
                "no STARTTLS offered": ("EHLO", b"250 recording.test\r\n"),
                "STARTTLS refused": ("STARTTLS", b"454 4.7.0 not now\r\n"),
                "closed instead": ("STARTTLS", HANG_UP),
            }
            for name, (point, reply) in faults.items():
                with case(name):
                    host.lines.clear()
                    host.faults = {point: reply}
                    assert await refusal(reached(host, chain))
                    assert not told(host, "AUTH")
            with case("one that offers other things once it is safe"):
                host.lines.clear()
                offer = b"250-recording.test\r\n250-SIZE 9\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
                host.faults = {"EHLO": _in_turn(offer, b"250 recording.test\r\n")}
                with pytest.raises(SignInRefused, match="no sign-in"):
                    await connect(reached(host, chain))
                assert not told(host, "AUTH")
                host.faults = {"EHLO": _in_turn(offer, b"250 recording.test\r\n")}
                connection = await connect(replace(reached(host, chain), username=""))
                assert (connection.offers, connection.largest) == ({}, None)
                connection.abort()
            with case("one that hangs costs a bounded time"):
                host.faults = {"banner": HANG}
                smarthost = replace(reached(host, chain), waits=replace(SHORT, connect=0.2))
                assert await refusal(smarthost)


def _in_turn(*replies: bytes) -> Callable[[str], bytes]:
    left = iter(replies)
    return lambda line: next(left)


async def test_tls_from_the_beginning(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, name="localhost")
    async with recording_smarthost(context_of(chain, key), implicit=True) as host:
        smarthost = replace(reached(host, chain), tls="implicit")
        await (await connect(smarthost)).quit()
        assert told(host, "AUTH PLAIN")
        host.lines.clear()
        assert await refusal(replace(smarthost, authorities=None))
        assert host.lines == []
