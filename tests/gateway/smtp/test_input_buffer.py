"""What a peer has sent: lines, chunks, and how much of it is held."""

import asyncio

import pytest

from gateway.smtp.input_buffer import HIGH_WATER, LOW_WATER, Inbound
from gateway.smtp.scheduling import SessionQueue

LIMIT = 2048


class Wire(asyncio.ReadTransport):
    """Notes only whether it was told to stop reading."""

    reading = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


@pytest.fixture
async def inbound() -> Inbound:
    loop = asyncio.get_running_loop()
    return Inbound(loop, SessionQueue(loop))


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
async def test_lines_are_the_same_however_they_are_cut(inbound: Inbound, cut: int) -> None:
    sent = b"NOOP\r\nRSET\r\n\r\nMAIL FROM:<a@b.example>\r\n.\nrest"
    lines = []
    for at in range(0, len(sent), cut):
        inbound.feed(sent[at : at + cut])
        while (line := inbound.take_line(LIMIT)) is not None:
            lines.append(line)
    assert lines == [b"NOOP\r\n", b"RSET\r\n", b"\r\n", b"MAIL FROM:<a@b.example>\r\n", b".\n"]
    assert len(inbound) == 4
    assert inbound.take() == b"rest"
    assert len(inbound) == 0


async def test_a_line_over_the_limit_comes_cut(inbound: Inbound) -> None:
    inbound.feed(b"x" * (LIMIT - 1))
    assert inbound.take_line(LIMIT) is None
    inbound.feed(b"yz\r\nNOOP\r\n")
    assert inbound.take_line(LIMIT) == b"x" * (LIMIT - 1) + b"y"
    assert [inbound.take_line(LIMIT) for _ in range(2)] == [b"z\r\n", b"NOOP\r\n"]


async def test_what_is_put_back_comes_first(inbound: Inbound) -> None:
    inbound.feed(b"one\r\ntwo\r\n")
    inbound.feed(b"three\r\n")
    assert inbound.take_line(LIMIT) == b"one\r\n"
    inbound.put_back(b"zero\r\n")
    assert inbound.take() == b"zero\r\ntwo\r\nthree\r\n"


async def test_reading_goes_on_only_when_most_lines_were_used(inbound: Inbound) -> None:
    wire = Wire()
    inbound.attach(wire)
    inbound.feed(b"NOOP\r\n" * (HIGH_WATER // 6 + 1))
    while not wire.reading:
        assert len(inbound) > LOW_WATER
        assert inbound.take_line(LIMIT) == b"NOOP\r\n"
    assert LOW_WATER - 6 < len(inbound) <= LOW_WATER


async def test_what_is_put_back_counts_as_held(inbound: Inbound) -> None:
    wire = Wire()
    inbound.attach(wire)
    inbound.put_back(b"x" * (HIGH_WATER + 1))
    assert not wire.reading
    inbound.take()
    assert wire.reading
