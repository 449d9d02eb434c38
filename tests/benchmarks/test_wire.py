import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import load, wire
from benchmarks.faults import BenchmarkFault
from benchmarks.servers import Endpoint


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ceiling"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield Endpoint("127.0.0.1", int(process.stdout.readline()))
        process.terminate()


def test_one_connection_takes_message_after_message(receiver: Endpoint) -> None:
    with wire.Client(receiver) as client:
        assert all(client.send("a@b.test", wire.message(n, 100_000)) > 0 for n in range(3))


def test_content_is_streamed_and_its_reply_returned(receiver: Endpoint) -> None:
    with wire.Client(receiver) as client:
        assert client.send_stream("a@b.test", wire.repeat(b"x" * 62 + b"\r\n", 2**20)) == "250 gone"


def test_another_reply_than_the_expected_one_is_a_fault(receiver: Endpoint) -> None:
    with wire.Client(receiver) as client, pytest.raises(BenchmarkFault, match="expected 354"):
        client.command("NOOP", 354)


@pytest.mark.parametrize("total", [0, 1, 65_536, 65_537, 1_000_000])
def test_a_pattern_is_repeated_to_the_octet(total: int) -> None:
    assert sum(map(len, wire.repeat(b"\r\n", total))) == total


def test_no_two_messages_are_alike_and_no_line_begins_with_a_dot() -> None:
    first, second = wire.message(1, 1000), wire.message(2, 1000)
    assert first != second
    assert b"\n." not in first


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(BenchmarkFault, match="apt-get install postfix"):
        load.program("no-such-program")


def test_every_session_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "program", lambda name: name)
    words = load.command(Endpoint("127.0.0.1", 2525), load.Load("a@b.test", 100, 1024))
    assert words[:8] == ["smtp-source", "-s", "10", "-d", "-m", "100", "-l", "1024"]
    assert words[-1] == "inet:127.0.0.1:2525"


def test_a_connection_each_is_smtp_source_without_keeping_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "program", lambda name: name)
    one = load.Load("a@b.test", 100, 1024, way="single")
    assert "-d" not in load.command(Endpoint("127.0.0.1", 2525), one)
