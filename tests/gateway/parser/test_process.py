"""The parser's process: what it may, how it ends, and what of that reaches the gateway."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from gateway.parser import process as process_module
from gateway.parser.ipc import (
    HEADER,
    READY,
    BadFrame,
    Request,
    failure_frame,
    lengths,
    read_result,
    result_frame,
)
from gateway.parser.message import parse
from gateway.parser.process import ParserProcess, ParserUnavailable
from storage.message_format.mime_parts import Parsed
from tests.support.post_room import letter

# Sanitising this takes many seconds: each attribute is compared with all before it.
SLOW = (
    b"Content-Type: text/html\r\n\r\n<a "
    + b" ".join(b"a%d=x" % number for number in range(100_000))
    + b">x"
)


def asked(content: bytes, *, with_html: bool = True) -> Request:
    return Request(content, None, len(content), with_html)


@pytest.fixture
async def parser() -> AsyncIterator[ParserProcess]:
    made = ParserProcess(size_limit=1024 * 1024)
    yield made
    await made.stop()


async def test_a_batch_is_answered_in_order(parser: ParserProcess) -> None:
    answers = await parser.parse([asked(letter(f"number {one}")) for one in range(40)])

    assert [answer.preview for answer in answers if isinstance(answer, Parsed)] == [
        f"number {one}" for one in range(40)
    ]


async def test_a_large_message_is_read_from_its_file(parser: ParserProcess, tmp_path: Path) -> None:
    content = letter("in a file")
    path = tmp_path / "content"
    path.write_bytes(content)

    whole, short, missing = await parser.parse(
        [
            Request(b"", str(path), len(content), True),
            Request(b"", str(path), len(content) + 1, True),
            Request(b"", str(tmp_path / "none"), 1, True),
        ]
    )

    assert isinstance(whole, Parsed) and whole.preview == "in a file"
    assert short == "ValueError in the parser"
    assert missing == "FileNotFoundError in the parser"


async def test_a_message_that_takes_too_long_costs_a_second_and_no_other_message(
    parser: ParserProcess,
) -> None:
    first, slow = await parser.parse([asked(letter("a")), asked(SLOW), asked(letter("b"))])

    assert isinstance(first, Parsed)
    # On a machine with much else to do, five seconds pass before one of the processor.
    assert slow in ("took more than a second of the processor", "took more than 5 seconds")
    assert parser.pid is None
    (again,) = await parser.parse([asked(SLOW, with_html=False)])
    assert isinstance(again, Parsed) and again.status == "partial"


async def test_a_process_that_stands_still_is_ended(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "WALL_SECONDS", 0.5)
    await parser.parse([asked(letter())])
    assert parser.pid is not None
    pid = parser.pid
    os.kill(pid, signal.SIGSTOP)

    (answer,) = await parser.parse([asked(letter())])

    assert answer == "took more than 0.5 seconds"
    assert not Path(f"/proc/{pid}").exists()


async def test_a_process_that_waits_for_the_processor_is_waited_for(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await parser.parse([asked(letter())])
    # Less than its second of the processor; in a file, since it does not wait for that.
    (tmp_path / "slow").write_bytes(SLOW)
    slow = Request(b"", str(tmp_path / "slow"), len(SLOW), with_html=True)
    monkeypatch.setattr(process_module, "WALL_SECONDS", 0.8)
    monkeypatch.setattr(process_module, "_TIMES_WAITING", 1000)

    (answer,) = await parser.parse([slow])

    assert answer == "took more than a second of the processor"


async def test_a_process_that_waits_for_the_processor_may_take_longer_to_start(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Busy for a while, then ready, and gone soon: that is a fault of its first message.

    Gone at once, it might be so before a busy machine lets us read that it is ready.
    """
    slow = tmp_path / "python"
    counts = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done"
    slow.write_text(f"#!/bin/sh\n{counts}\nprintf '{READY.decode()}'\n{counts}\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setattr(process_module, "_START_SECONDS", 0.1)
    monkeypatch.setattr(process_module, "_TIMES_WAITING", 100_000)

    (answer,) = await parser.parse([asked(letter())])

    assert isinstance(answer, str)


async def test_the_process_has_two_pipes_little_memory_and_gives_way(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_METRICS_TOKEN", "secret")
    await parser.parse([asked(letter())])
    home = Path(f"/proc/{parser.pid}")

    kinds = {str(link.readlink()).partition(":")[0] for link in (home / "fd").iterdir()}
    limits = (home / "limits").read_text()
    niceness = int((home / "stat").read_text().rpartition(")")[2].split()[16])

    assert kinds == {"pipe", "/dev/null"}
    assert b"POSTROOM" not in (home / "environ").read_bytes()
    assert f"Max address space         {513 * 1024 * 1024}" in limits
    assert "Max file size             0 " in limits
    assert niceness >= 10


async def test_a_process_that_cannot_be_started_is_no_message_s_fault(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_ROOT", Path("/nonexistent"))
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(ParserUnavailable):
        await parser.parse([asked(letter())])


def read(octets: bytes, size: int) -> Parsed | str:
    json, rest = lengths(octets[:HEADER])
    return read_result(octets[HEADER : HEADER + json], octets[HEADER + json :][:rest], size)


def test_a_result_comes_through_whole() -> None:
    content = (
        b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n"
        b"--b\r\n\r\ntext\r\n--b\r\nContent-Type: a/b; name=c\r\n\r\nd\r\n--b--\r\n"
    )
    result = parse(content, lambda: True)

    assert read(result_frame(result), len(content)) == result
    assert read(failure_frame("too hard"), 5) == "too hard"


def test_a_file_may_be_longer_than_the_message_that_it_came_in() -> None:
    # Lines of zeros, which have lost the blanks that stand for them.
    zeros = b"begin 644 a.bin\r\n" + b"M\r\n" * 1_000 + b"\r\nend\r\n"
    head = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n"
    for content in (head + b"\r\n" + zeros, b"\r\nSee:\r\n" + zeros):
        result = parse(content, lambda: True)
        assert [one.size for one in result.attachments] == [45_000]
        octets = result_frame(result)
        json, _ = lengths(octets[:HEADER])
        found = read_result(octets[HEADER : HEADER + json], octets[HEADER + json :], len(content))
        assert found == result


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "pending"),
        ("preview", "x" * 201),
        ("preview", "\x00"),
        ("reply_to", [["a"]]),
        ("reply_to", [["a", 1]]),
        ("text_parts", [[0, 10_000, "identity", "utf-8"]]),
        ("text_parts", [[3, 2, "identity", "utf-8"]]),
        ("text_parts", [[0, True, "identity", "utf-8"]]),
        ("text_parts", [[0, 1, "uuencode", "utf-8"]]),
        ("text_parts", [[0, 1, "identity", "idna"]]),
        ("attachments", [["f", "text/html\r\nX: y", 1, False, None, 0, 1, "identity"]]),
        ("attachments", [["f\x00", "a/b", 1, False, None, 0, 1, "identity"]]),
        ("attachments", [["f", "a/b", -1, False, None, 0, 1, "identity"]]),
        ("attachments", [["f", "a/b", 1, False, None, 0, 1]]),
        ("lengths", [None, None, None]),
        ("lengths", [10_000, None, None]),
        ("lengths", [3, None, None]),
    ],
)
def test_an_answer_that_no_parser_gives_is_refused(name: str, value: object) -> None:
    content = letter()
    octets = result_frame(parse(content, lambda: True))
    json, _ = lengths(octets[:HEADER])
    head = orjson.loads(octets[HEADER : HEADER + json]) | {name: value}

    with pytest.raises(BadFrame):
        read_result(orjson.dumps(head), octets[HEADER + json :], len(content))
    with pytest.raises(BadFrame):
        lengths(b"\xff" * 8)
