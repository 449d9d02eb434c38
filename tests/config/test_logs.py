import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.logs import JsonLines, TextLines, clean, event, setup

LOGGER = logging.getLogger("gateway.smtp.session")


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def record(word: str = "accepted", **pairs: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway.smtp.session", logging.INFO, "", 0, word, None, None)
    made.pairs = pairs
    return made


def test_a_text_line_has_time_level_event_and_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    setup("text", "info")

    event(LOGGER, "accepted", session="s1", rcpt=["team@example.com", "b@x"], size=12, client=None)

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO accepted"
        r" session=s1 rcpt=team@example\.com,b@x size=12\n",
        capsys.readouterr().err,
    )


def test_a_json_line_is_one_object_with_the_pairs_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    setup("json", "info")

    event(LOGGER, "accepted", session="s1", size=12, tls=False, helo=b"a\xff", time="forged")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "accepted",
        "session": "s1",
        "size": 12,
        "tls": False,
        "helo": "a\\xff",
    }


def test_a_level_that_is_off_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    setup("text", "warning")

    event(LOGGER, "accepted", session="s1")
    event(LOGGER, "deferred", level=logging.WARNING, session="s1")

    assert capsys.readouterr().err.count("\n") == 1


def test_setting_up_again_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    setup("text", "info")
    setup("text", "info")

    event(LOGGER, "accepted")

    assert capsys.readouterr().err.count("accepted") == 1


def test_the_libraries_chatter_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    setup("text", "info")

    logging.getLogger("mail.log").info("peer said %r", "EHLO")
    logging.getLogger("uvicorn.access").info("GET /")

    assert capsys.readouterr().err == ""


def test_another_librarys_line_names_its_logger_and_is_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup("text", "info")

    logging.getLogger("uvicorn.error").warning("bad request %s", "\r\nforged")

    assert capsys.readouterr().err.endswith("WARNING uvicorn.error: bad request \\r\\nforged\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exceptions_text_cannot_begin_a_line(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    setup("json" if form == "json" else "text", "info")

    try:
        raise RuntimeError("peer sent\n2026-01-01T00:00:00.000Z INFO accepted forged=1")
    except RuntimeError:
        LOGGER.exception("failed")

    lines = capsys.readouterr().err.splitlines()
    assert "RuntimeError" in "".join(lines)
    assert not any(line.startswith("2026-01-01T00:00:00.000Z") for line in lines)
    assert form == "text" or len(lines) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("a\r\nb", "a\\r\\nb"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udc80b", "a\\udc80b"),
        (b"a\x80b", "a\\x80b"),
        ("bücher", "bücher"),
        ("x" * 300, "x" * 200 + "…"),
        (b"x" * 3000, "x" * 200 + "…"),
    ],
)
def test_what_a_peer_sent_is_escaped_and_cut(value: str | bytes, shown: str) -> None:
    assert TextLines().format(record(helo=value)).endswith(f" accepted helo={shown}")


@given(st.text(max_size=300) | st.binary(max_size=1000))
def test_any_value_at_all_stays_on_one_printable_line(value: str | bytes) -> None:
    assert clean(value).isprintable()
    assert TextLines().format(record(helo=value)).isprintable()
    assert JsonLines().format(record(helo=value)).isprintable()


def test_a_renamed_log_file_is_opened_anew_under_its_name(tmp_path: Path) -> None:
    log = tmp_path / "postroom.log"
    setup("json", "info", log)

    event(LOGGER, "first")
    log.rename(tmp_path / "postroom.log.1")
    event(LOGGER, "second")

    assert json.loads((tmp_path / "postroom.log.1").read_text())["event"] == "first"
    assert json.loads(log.read_text())["event"] == "second"


def test_while_a_log_file_cannot_be_opened_anew_lines_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception out of a log line would end the session that it tells of."""
    (folder := tmp_path / "logs").mkdir()
    setup("text", "info", folder / "log")
    event(LOGGER, "before")
    folder.rename(tmp_path / "moved")
    event(LOGGER, "meanwhile")
    event(LOGGER, "still")
    folder.mkdir()
    event(LOGGER, "after")

    assert (tmp_path / "moved" / "log").read_text().endswith(" before\n")
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in said] == ["meanwhile", "still"]
    assert (folder / "log").read_text().endswith(" after\n")


def test_a_log_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        setup("text", "info", tmp_path / "none" / "postroom.log")
