"""Streams of events over real connections: what many cost, who does not read, how they end."""

import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.support.fixtures import MakeServer, Servers
from tests.support.loads import growth, warm_up
from tests.support.mailbox import Api, Record
from tests.support.memory import MIB, need_proc
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import message

pytestmark = pytest.mark.xdist_group("heavy")

MANY = 1000
CUT_OFF_SECONDS = 10  # a client that takes nothing has so many


@contextmanager
def stream(server: Server, token: str, *, receives: int = 0) -> Iterator[socket.socket]:
    """Open a stream and read its header; `receives` bounds what the kernel takes for us."""
    http = urlsplit(server.demo.http)
    with socket.socket() as end:
        if receives:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        end.settimeout(20)
        end.connect((http.hostname or "", http.port or 0))
        end.sendall(
            b"GET /v1/events/stream/ HTTP/1.1\r\nHost: postroom.test\r\n"
            b"Authorization: Bearer %s\r\n\r\n" % token.encode()
        )
        head = b""
        while b"retry:" not in head:
            head += end.recv(4096)
        assert head.startswith(b"HTTP/1.1 200 ")
        yield end


def read_to_end(end: socket.socket, seconds: float) -> tuple[bytes, bool]:
    """Return what comes within a time, and whether the connection ended."""
    end.settimeout(0.2)
    read, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            some = end.recv(1 << 16)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return read, True
        if not some:
            return read, True
        read += some
    return read, False


def read_until(end: socket.socket, text: bytes) -> bytes:
    end.settimeout(20)
    read = b""
    while text not in read:
        some = end.recv(1 << 16)
        assert some, read
        read += some
    return read


def revoke(owner: Api, inbox_id: str) -> None:
    listed = cast(list[Record], owner.call("GET", "/v1/tokens/").json())
    (token,) = (one["token_id"] for one in listed if one["inbox_id"] == inbox_id)
    assert owner.call("DELETE", f"/v1/tokens/{token}/").status == 204


def send(server: Server, count: int, address: str = "") -> None:
    """Send so many to an inbox, or the first, each envelope in one write."""
    address = address or str(server.demo.inboxes[0]["address"])
    envelope = f"MAIL FROM:<sender@client.example>\r\nRCPT TO:<{address}>\r\nDATA\r\n"
    with server.client() as client:
        for number in range(count):
            client.send(envelope.encode())
            assert [client.reply().code for _ in range(3)] == [250, 250, 354]
            client.send(message(f"Message {number}") + b".\r\n")
            assert client.reply().code == 250


def test_a_thousand_streams_cost_less_than_100_mib_and_all_hear(servers: Servers) -> None:
    need_proc()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    settings = {"api_streams": str(MANY), "http_max_connections": str(2 * MANY)}
    server = servers.new(settings)
    server.start_demo()
    warm_up(server)
    token = str(server.demo.inboxes[0]["token"])
    try:
        with ExitStack() as stack, growth(server) as grown:
            ends = [stack.enter_context(stream(server, token)) for _ in range(MANY)]
            send(server, 1)
            for end in ends:
                # On a slow machine comments that keep the stream alive come between.
                read_until(end, b"event: message.received")
        assert grown.octets < 100 * MIB, grown
    finally:
        servers.stop(server)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_does_not_read_is_cut_off_and_others_hear_on(own_server: MakeServer) -> None:
    server = own_server()
    token = str(server.demo.inboxes[0]["token"])
    with (
        stream(server, token, receives=4096) as idle,
        stream(server, token) as reading,
    ):
        send(server, 600)
        heard = b""
        while heard.count(b"event: message.received") < 600:
            heard += read_until(reading, b"\n\n")
        with server.owner() as owner:
            # To read from it sooner would let it go on.
            assert streams_within(owner, 1, 2 * CUT_OFF_SECONDS)
        read, ended = read_to_end(idle, HANG_SECONDS)
        assert ended
        assert read.count(b"event: message.received") < 600


def streams_open(api: Api) -> int:
    found = re.search(
        rb"^postroom_event_streams_open (\d+)", api.call("GET", "/metrics").body, re.M
    )
    assert found
    return int(found[1])


def streams_within(api: Api, count: int, seconds: float) -> bool:
    """Tell whether no more than so many streams are open before long."""
    deadline = time.monotonic() + seconds
    while streams_open(api) > count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_who_does_not_read_is_cut_off_sooner_when_the_token_is_revoked(
    own_server: MakeServer,
) -> None:
    server = own_server()
    with server.owner() as owner:

        def is_cut_off_sooner(inbox: Record) -> bool:
            with stream(server, str(inbox["token"]), receives=4096):
                send(server, 600, str(inbox["address"]))
                if not streams_open(owner):
                    return False  # it took so long that this was the reason
                revoke(owner, str(inbox["inbox_id"]))
                return streams_within(owner, 0, 3)

        # A busy machine may take more now and then, but not each time.
        assert any(is_cut_off_sooner(inbox) for inbox in server.demo.inboxes)


def test_a_stream_ends_at_once_when_the_server_stops(servers: Servers) -> None:
    server = servers.new()
    server.start_demo()
    token = str(server.demo.inboxes[0]["token"])
    try:
        with stream(server, token) as one, stream(server, token) as other:
            began = time.monotonic()
            server.terminate()
            assert read_to_end(one, 15)[1]
            assert read_to_end(other, 15)[1]
            assert server.wait() == 0
            assert time.monotonic() - began < 15  # the drain waits 30 s for what does not end
    finally:
        servers.stop(server)


def test_a_token_that_is_revoked_ends_its_streams_within_a_second(
    own_server: MakeServer,
) -> None:
    server = own_server()
    with server.owner() as owner:

        def ends_soon(inbox: Record) -> bool:
            with stream(server, str(inbox["token"])) as end:
                assert streams_open(owner) == 1
                revoke(owner, str(inbox["inbox_id"]))
                soon = read_to_end(end, 1.5)[1]
                assert soon or read_to_end(end, 20)[1]
            assert streams_within(owner, 0, HANG_SECONDS)
            return soon

        # A busy machine may take more now and then, but not each time.
        assert any(ends_soon(inbox) for inbox in server.demo.inboxes)
