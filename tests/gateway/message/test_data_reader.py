"""Only CRLF.CRLF ends the data, wherever the bytes are cut."""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.message.data_reader import DataReader
from tests.support.cost import is_within, seconds_of

END = b"\r\n.\r\n"


def lines_of(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each line with its line end, one byte after the other."""
    line, at = b"", 0
    while at < len(text):
        ending = text[at : at + 2] if text[at : at + 2] == b"\r\n" else text[at : at + 1]
        if ending in {b"\r\n", b"\r", b"\n"}:
            yield line, ending
            line = b""
        else:
            line += ending
        at += len(ending)
    yield line, b""


def has_framed_dot(text: bytes) -> bool:
    before = b"\r\n"
    for line, ending in lines_of(text):
        if line == b"." and ending and {before, ending} != {b"\r\n"}:
            return True
        before = ending
    return False


def reference(sent: bytes) -> tuple[bytes, bytes, bool, bool]:
    """Content, leftover, smuggling and bare newlines, the slow and obvious way."""
    end = (b"\r\n" + sent).index(END)
    stuffed = sent[:end]
    lines = [line.removeprefix(b".") for line in stuffed.split(b"\r\n")]
    content = b"\r\n".join(lines)
    bare = any(ending in {b"\r", b"\n"} for _, ending in lines_of(stuffed))
    return content, sent[end + 3 :], has_framed_dot(stuffed) or has_framed_dot(content), bare


def read(chunks: Iterable[bytes]) -> tuple[bytes, bytes, bool, bool]:
    reader = DataReader(track_bare=True)
    content = b"".join(reader.feed(chunk) for chunk in chunks)
    assert reader.done
    assert reader.received == len(content)
    return content, reader.leftover, reader.smuggling, reader.bare_newlines


def cut(sent: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(sent) + 1) for place in places), len(sent)]
    return [sent[start:stop] for start, stop in itertools.pairwise(edges)]


TRICKY = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"a", b"\x00", b"\n.", b"..", END]),
    max_size=12,
).map(b"".join)


@given(TRICKY, st.lists(st.integers(0, 40), max_size=6))
@example(b"", [])
@example(b"\r\n..\r", [])
def test_any_data_cut_anywhere_reads_as_the_reference_says(sent: bytes, places: list[int]) -> None:
    sent += END + b"QUIT\r\n"
    expected = reference(sent)
    assert read([sent]) == expected
    assert read(cut(sent, places)) == expected
    assert read(sent[at : at + 1] for at in range(len(sent))) == expected


@given(TRICKY)
def test_every_single_cut_reads_the_same(sent: bytes) -> None:
    sent += END
    expected = reference(sent)
    for place in range(len(sent) + 1):
        assert read([sent[:place], sent[place:]]) == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_content_survives_stuffing(content: bytes, places: list[int]) -> None:
    stuffed = b"\r\n".join(
        b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n")
    )
    assert read(cut(stuffed + END, places))[0] == content + b"\r\n"


@pytest.mark.parametrize(
    "false_end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r.\n"],
)
def test_a_false_end_is_content_and_smuggling(false_end: bytes) -> None:
    sent = b"Subject: a\r\n\r\nbody" + false_end + b"MAIL FROM:<evil@x>\r\n"
    content, leftover, smuggling, bare = read([sent + b".\r\n"])
    assert b"MAIL FROM:<evil@x>\r\n" in content
    assert (leftover, smuggling, bare) == (b"", True, True)


@pytest.mark.parametrize(
    "false_end", [b"\n\x00.\n", b"\n.\x00\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n"]
)
def test_a_dot_beside_a_nul_is_neither_the_end_nor_a_lone_dot(false_end: bytes) -> None:
    content, _, smuggling, _ = read([b"body" + false_end + b"more" + END])
    assert content.endswith(b"more\r\n")
    assert not smuggling


@pytest.mark.parametrize(
    ("sent", "smuggling"),
    [(b".\n", True), (b".\ra", True), (b"..\n", True), (b"\r\n..\n", True), (b"\n..\n", False)],
)
def test_the_start_of_data_counts_as_after_a_crlf(sent: bytes, smuggling: bool) -> None:
    assert read([sent + END])[2] is smuggling


def test_a_stuffed_lone_dot_is_no_smuggling() -> None:
    assert read([b"a\r\n..\r\nb" + END]) == (b"a\r\n.\r\nb\r\n", b"", False, False)


def test_an_empty_message_has_no_content() -> None:
    assert read([b".\r\nQUIT\r\n"]) == (b"", b"QUIT\r\n", False, False)


def test_what_is_fed_after_the_end_is_left_over() -> None:
    reader = DataReader()
    assert reader.feed(memoryview(b"a" + END + b"MAIL")) == b"a\r\n"
    assert reader.feed(bytearray(b" FROM")) == b""
    assert reader.leftover == b"MAIL FROM"


def test_what_is_behind_the_end_is_never_judged() -> None:
    reader = DataReader(track_bare=True)
    reader.feed(b"a" + END + b"\n.\n")
    assert not reader.smuggling
    assert not reader.bare_newlines


STUFFED = b"..\r\n" * 65_536


@pytest.mark.parametrize(
    "unit", [b"\n.", b"\r\n..", b"\r\n", b".", b"\r", b"\r\n.", b"\r\n.\r", b"..\r\n", b"a"]
)
def test_a_flood_costs_time_in_proportion(unit: bytes) -> None:
    """Of an honest message nothing takes longer than lines that all begin with a dot."""
    chunk = unit * (262_144 // len(unit))

    def feed(octets: bytes) -> None:
        reader = DataReader()
        for _ in range(4):
            reader.feed(octets)

    assert is_within(4, lambda: feed(chunk), seconds_of(lambda: feed(STUFFED)))


def test_a_message_may_come_byte_by_byte() -> None:
    def feed(octets: int) -> None:
        reader = DataReader()
        for _ in range(octets // 2):
            reader.feed(b"\n")
            reader.feed(b".")
        assert reader.received >= octets - 10

    assert is_within(3 * 10, lambda: feed(40_000), seconds_of(lambda: feed(4_000)))
