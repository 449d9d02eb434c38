"""What is no HTTP is refused as everything else is, and so is what two readers read differently."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.gateway.http_edge.edge import CHUNKED, GOOD, LIMIT, edge, said
from tests.support.patience import HANG_SECONDS

CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def half(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin a response; end it when the body or the client has ended."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"last"})


@pytest.mark.parametrize(
    "sent",
    [
        b"EHLO client.test\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:25 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED + b"no\r\n",
        CHUNKED.replace(b"chunked", b"identity, chunked") + b"0\r\n\r\n",
        CHUNKED.replace(b"Transfer", b"Transfer-Encoding: identity\r\nTransfer") + b"0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"chunked, chunked") + b"0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x/@y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: a\r\n\r\n",
    ],
)
async def test_a_request_that_cannot_be_trusted_gets_a_problem_with_a_request_id(
    sent: bytes,
) -> None:
    counted: list[str] = []
    async with edge(count=counted.append) as port:
        (heard,) = await said(port, sent)
    assert heard.status == 400
    assert counted == ["http_refused"]
    assert heard.headers["content-type"] == "application/problem+json"
    assert heard.headers["connection"] == "close"
    assert len(heard.headers["x-request-id"]) == 24
    assert heard.code == "malformed_request"


@pytest.mark.parametrize("host", [b"", b"x:8025", b"[::1]:8025", b"x_1.example.", b"xn--bcher-kva"])
async def test_a_host_is_taken_as_the_rfc_has_it(host: bytes) -> None:
    async with edge() as port:
        (heard,) = await said(
            port, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
        )
    assert heard.status == 200


async def test_http_1_0_needs_no_host() -> None:
    async with edge() as port:
        (heard,) = await said(port, b"GET / HTTP/1.0\r\n\r\n")
    assert heard.status == 200


async def test_after_an_answered_request_it_is_the_second_answer() -> None:
    async with edge() as port:
        first, second = await said(port, GOOD, b"no request\r\n\r\n")
    assert (first.status, first.body, second.status) == (200, b"0", 400)


async def test_nothing_is_written_into_an_answer_that_has_begun() -> None:
    async with edge(half) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED)
        heard = await reader.readuntil(b"first")
        writer.write(b"no\r\n")
        heard += await reader.read()
        writer.close()
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"HTTP/1.1 400" not in heard and b"last" not in heard


async def test_an_upgrade_is_not_asked_for_in_vain() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with edge() as port:
        heard = await said(port, upgrade + CLOSE)
    assert [each.body for each in heard] == [b"0", b"0"]


async def test_no_request_is_found_in_a_body_behind_an_upgrade() -> None:
    begin = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    async with edge() as port:
        heard = await said(port, begin + b"Content-Length: %d\r\n\r\n" % len(CLOSE) + CLOSE)
    assert [each.status for each in heard] == [400]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
async def test_requests_cut_anywhere_are_the_same_requests(size: int) -> None:
    sent = (
        b"\r\n" + GOOD + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na\r\n\r\nb\n\r\n"
    )
    sent += CHUNKED + b"4\r\n\n\r\n\r\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n" + CHUNKED + b"0\r\n\r\n"
    sent += CLOSE
    async with edge() as port:
        heard = await said(port, *(sent[at : at + size] for at in range(0, len(sent), size)))
    assert [each.body for each in heard] == [b"0", b"9", b"7", b"0", b"0"]


async def test_trailers_are_not_shown_to_a_call() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.extend(name for name, _ in scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with edge(app) as port:
        await said(port, CHUNKED + b"1\r\nx\r\n0\r\nAuthorization: y\r\n\r\n" + CLOSE)
    assert seen == [b"host", b"transfer-encoding", b"host", b"connection"]


# ---- limits of what a request is made of ----------------------------------------------------


def padded(octets: int) -> bytes:
    """A good last request whose URL and header have so many octets."""
    return CLOSE[:-2] + b"X: " + b"a" * (octets - len(CLOSE) - 5) + b"\r\n\r\n"


async def test_a_header_has_32_kib_at_most() -> None:
    async with edge() as port:
        (at_limit,) = await said(port, padded(LIMIT))
        (over,) = await said(port, padded(LIMIT + 1))
        (endless,) = await said(port, GOOD[:-2], *[b"X: y" + b"a" * 4000] * 100)
    assert (len(padded(LIMIT)), at_limit.status) == (LIMIT, 200)
    assert (over.status, over.code) == (endless.status, endless.code) == (431, "header_too_large")


async def test_a_header_has_100_fields_at_most() -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(98))
    async with edge() as port:
        (at_limit,) = await said(port, CLOSE[:-2] + fields + b"\r\n")
        (over,) = await said(port, CLOSE[:-2] + fields + b"X: y\r\n\r\n")
    assert (at_limit.status, over.status) == (200, 431)


async def test_a_url_that_fills_the_header_is_414() -> None:
    async with edge() as port:
        (heard,) = await said(port, b"GET /" + b"a" * LIMIT + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (heard.status, heard.code) == (414, "url_too_long")


async def test_trailers_count_with_the_header() -> None:
    ended = CHUNKED + b"1\r\nx\r\n0\r\n"
    many = b"".join(b"X-%d: y\r\n" % number for number in range(99))
    async with edge() as port:
        long = b"X: " + b"a" * (LIMIT - 100) + b"\r\n\r\n"
        taken, _ = await said(port, ended + long + CLOSE)
        (octets,) = await said(port, ended + b"X: " + b"a" * LIMIT + b"\r\n\r\n")
        (fields,) = await said(port, ended + many + b"\r\n")
        (endless,) = await said(port, ended, *[b"X: " + b"a" * 65_536 + b"\r\n"] * 640)
    assert (taken.status, taken.body) == (200, b"1")
    assert (octets.status, fields.status, endless.status) == (431, 431, 431)


async def test_a_chunk_size_line_has_an_end() -> None:
    async with edge() as port:
        (heard,) = await said(port, CHUNKED + b"1;", *[b"a" * 4000] * 20)
    assert heard.status in (400, 431)


async def test_the_date_is_that_of_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http_edge.http_server._DATE_SECONDS", 0.05)
    async with edge() as port:
        (first,) = await said(port, CLOSE)
        await asyncio.sleep(1.2)
        (second,) = await said(port, CLOSE)
    assert parsedate_to_datetime(second.headers["date"]) > parsedate_to_datetime(
        first.headers["date"]
    )


async def test_a_server_that_nobody_calls_sleeps_and_ends_when_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks, tick = list[int](), uvicorn.Server.on_tick

    async def counted(server: uvicorn.Server, counter: int) -> bool:
        ticks.append(counter)
        return await tick(server, counter)

    monkeypatch.setattr(uvicorn.Server, "on_tick", counted)
    monkeypatch.setattr("gateway.http_edge.http_server._DATE_SECONDS", 600.0)
    async with asyncio.timeout(HANG_SECONDS), edge():
        await asyncio.sleep(0.5)
        assert len(ticks) == 1
