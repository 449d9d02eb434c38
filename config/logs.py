"""Logs: one line for each event, as text or JSON, on stderr or in a file.

Rules: an event is a word and key=value pairs. A line is one line whatever a peer sent: unprintable
characters are escaped, a long value is cut. Addresses may be logged; bodies, tokens and passwords
never are. A level that is off costs one comparison. A log file that was renamed, as logrotate does,
is opened anew under its name by the next line; each process of a gateway does so for itself. While
it cannot be opened, lines go to stderr: a log must stop no mail.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Literal, TextIO

Value = str | bytes | int | float | bool | None | Iterable[str]

VALUE_MAX = 200
MESSAGE_MAX = 1000
# aiosmtpd and uvicorn log every command, request and step at INFO; our own events do it once.
QUIET = ("mail.log", "mail.debug", "uvicorn.access", "uvicorn.error", "asyncio", "psycopg.pool")


def setup(log_format: Literal["text", "json"], level: str, file: Path | None = None) -> None:
    """Send everything from `level` on to `file`, or to stderr; once, when the process starts.

    Raises OSError for a file that cannot be opened.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _Lines(sys.stderr) if file is None else _LogFile(file)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    log_from(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _LogFile(WatchedFileHandler):
    """The log file; stderr while its directory is gone, say, or no descriptor is left."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # raised by opening it anew alone: the next line tries again
            with suppress(OSError):
                sys.stderr.write(f"{self.format(record)}\n")


def log_from(level: str) -> None:
    """Send everything from `level` on, from now on; in this process."""
    logging.getLogger().setLevel(level.upper())


def event(
    logger: logging.Logger, word: str, /, *, level: int = logging.INFO, **pairs: Value
) -> None:
    """Log an event: event(logger, "accepted", session=…, rcpt=…); a pair of None is left out."""
    if logger.isEnabledFor(level):
        logger.handle(_EventRecord(logger.name, level, word, pairs))


class _Lines(logging.StreamHandler[TextIO]):
    """Lines on a stream, each in one write; the lock is held already, and is not taken again."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except Exception:  # a log that cannot be written stops no mail
            self.handleError(record)


class _EventRecord(logging.LogRecord):
    """The record of an event.

    Nothing is asked for that our lines do not show: the caller's file, line and thread cost more
    than the line itself.
    """

    def __init__(self, name: str, level: int, word: str, pairs: Mapping[str, Value]) -> None:
        created = time.time()
        self.__dict__ = {
            **_NOT_ASKED,
            "name": name,
            "msg": word,
            "levelname": logging.getLevelName(level),
            "levelno": level,
            "created": created,
            "msecs": float(int(created % 1 * 1000)),
            "pairs": pairs,
        }

    def getMessage(self) -> str:
        return str(self.msg)


_NOT_ASKED = {
    **vars(logging.LogRecord("", 0, "", 0, "", (), None)),
    **dict.fromkeys(("thread", "threadName", "process", "processName")),
}


def clean(value: Value, most: int = VALUE_MAX) -> str:
    """Return a value as printable text of about `most` characters; undecodable bytes as \\x."""
    if isinstance(value, str):
        return value if len(value) <= most and value.isprintable() else _escaped(value, most)
    if isinstance(value, bytes):
        # Cut first: UTF-8 has at most 4 octets a character, and more is not shown.
        value = value[: most * 4].decode("utf-8", "backslashreplace")
    elif value is not None and not isinstance(value, str | int | float):
        value = ",".join(value)
    return _escaped(value if isinstance(value, str) else str(value), most)


def _escaped(text: str, most: int) -> str:
    if len(text) > most:
        text = text[:most] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class TextLines(logging.Formatter):
    """2026-01-31T12:00:00.000Z INFO accepted session=… rcpt=team@example.com."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname} {_word(record)}"
        for key, value in _pairs(record).items():
            if value is not None:
                line += f" {key}={_shown(value)}"
        if not record.exc_info:
            return line
        return "\n".join([line, *(f"    {line}" for line in _trace(record))])


def _shown(value: Value) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = clean(value)
    if text and " " not in text and '"' not in text and "=" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class JsonLines(logging.Formatter):
    """{"time": …, "level": …, "event": …} and the event's pairs; numbers stay numbers."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": _word(record),
        }
        for key, value in _pairs(record).items():
            if value is not None:
                line.setdefault(key, value if isinstance(value, bool | int) else clean(value))
        if trace := _trace(record):
            line["trace"] = trace
        # In ASCII: a peer's U+2028 is the end of a line for some readers of logs.
        return json.dumps(line)


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=2)
def _second(created: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))


def _word(record: logging.LogRecord) -> str:
    """Return the event's word, or another library's message behind its logger's name."""
    if "pairs" in record.__dict__:
        return str(record.msg)
    return f"{record.name}: {clean(record.getMessage(), MESSAGE_MAX)}"


def _pairs(record: logging.LogRecord) -> Mapping[str, Value]:
    pairs: Mapping[str, Value] = record.__dict__.get("pairs", {})
    return pairs


def _trace(record: logging.LogRecord) -> list[str]:
    """Return an exception's lines; a peer's text cannot begin a line of its own in them."""
    if not record.exc_info:
        return []
    text = logging.Formatter().formatException(record.exc_info)
    return [clean(line, MESSAGE_MAX) for line in text.splitlines()]
