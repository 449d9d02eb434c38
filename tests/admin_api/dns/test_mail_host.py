"""The mail host as a sender sees it: STARTTLS, a certificate in its name, its end."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from admin_api.dns.cache import dns_cache
from admin_api.dns.mail_host import MailHost, check_mail_host
from config.values import Endpoint
from tests.support.certificates import NAME, certificate
from tests.support.dns_server import open_dns_server


@asynccontextmanager
async def mail_host(folder: Path | None, *, days: int = 60, name: str = NAME) -> AsyncIterator[int]:
    """Serve one that greets, and offers STARTTLS where it has a folder for its certificate."""

    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = writer.transport
        writer.write(b"220-mx\r\n220 ready\r\n")
        await reader.readline()
        writer.write(b"250-mx\r\n250 STARTTLS\r\n" if folder else b"250-mx\r\n250 SIZE\r\n")
        if folder and await reader.readline():
            chain, key = certificate(folder, days=days, name=name)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain, key)
            writer.write(b"220 go on\r\n")
            await writer.drain()
            try:
                await writer.start_tls(context)
                await reader.read()
            except OSError:
                pass
        writer.transport.abort()
        plain.abort()
        ended.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await ended.wait()
        await asyncio.sleep(0.05)  # transports close a turn later
    finally:
        server.close()


async def asked(port: int, *, trusted: Path | None = None) -> MailHost:
    context = ssl.create_default_context()
    if trusted is not None:
        context.load_verify_locations(trusted / "certificate.pem")
    async with open_dns_server() as dns:
        dns.publish(NAME, "A", "127.0.0.1")
        return await check_mail_host(
            NAME,
            dns_cache(Endpoint("127.0.0.1", dns.port)),
            now=time.time(),
            port=port,
            context=context,
        )


async def test_a_host_with_a_fitting_certificate_is_ok(tmp_path: Path) -> None:
    certificate(tmp_path, days=60)
    async with mail_host(tmp_path) as port:
        found = await asked(port, trusted=tmp_path)
    assert (found.status, found.host) == ("ok", NAME)


@pytest.mark.parametrize(
    ("days", "name", "why"),
    [(13, NAME, "ends soon"), (60, "other.example", "Hostname mismatch")],
)
async def test_a_certificate_that_does_not_do_is_wrong(
    tmp_path: Path, days: int, name: str, why: str
) -> None:
    certificate(tmp_path, days=days, name=name)
    async with mail_host(tmp_path, days=days, name=name) as port:
        found = await asked(port, trusted=tmp_path)
    assert found.status == "wrong"
    assert why in found.detail


async def test_a_certificate_nobody_vouches_for_is_wrong(tmp_path: Path) -> None:
    async with mail_host(tmp_path) as port:
        found = await asked(port)
    assert found.status == "wrong"


async def test_a_host_without_starttls_is_told_of(tmp_path: Path) -> None:
    async with mail_host(None) as port:
        assert (await asked(port)).status == "missing"


async def test_a_host_that_is_not_there_is_unreachable() -> None:
    assert (await asked(1)).status == "unreachable"


async def test_a_silent_host_holds_nobody_up() -> None:
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with open_dns_server() as dns:
        dns.publish(NAME, "A", "127.0.0.1")
        found = await check_mail_host(
            NAME,
            dns_cache(Endpoint("127.0.0.1", dns.port)),
            now=0,
            port=server.sockets[0].getsockname()[1],
            patience=0.5,
        )
    await ended.wait()
    await asyncio.sleep(0.05)
    server.close()
    assert found.status == "unreachable"
