"""The parser's process: one message after the other, from standard input to standard output.

- It has no socket, no store and no setting: two pipes and, for a large message, the right to read
  its file. It gives way to everybody else, may not write files, and has little memory.
- After half a second of its time a message is given up with what was got; after one second the
  system ends the process, wherever it is. Hashing a long body has a second more for each 8 MiB.
- It ends with its input, so it does not outlive the gateway.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.parser.ipc import (
    HEADER,
    READY,
    Request,
    failure_frame,
    lengths,
    read_request,
    result_frame,
    seconds_for,
)
from gateway.parser.message import parse
from storage.message_format.mime_parts import Parsed

SOFT_SECONDS = 0.5
NICENESS = 10
MEMORY = 512 * 1024 * 1024
_CHUNK = 64 * 1024


def main() -> None:
    """Answer requests until there are none; the argument is the size limit for messages."""
    _limit(int(sys.argv[1]))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _send(sink, READY)
    while header := source.read(HEADER):
        json, octets = lengths(header)
        request = read_request(source.read(json), source.read(octets))
        with contextlib.suppress(BrokenPipeError):
            _send(sink, _answer(request))


def _limit(message_size: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway decides when this ends
    os.nice(NICENESS)
    # A large message is mapped, and counts as address space.
    memory = MEMORY + message_size
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Were a library taken over, it could write no file; nor may a core file hold a message.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _send(sink: BinaryIO, octets: bytes) -> None:
    sink.write(octets)
    sink.flush()


def _answer(request: Request) -> bytes:
    signal.setitimer(
        signal.ITIMER_PROF, seconds_for(request)
    )  # SIGPROF, unhandled, ends the process
    try:
        return _signed(request) if request.signed else result_frame(_parse(request, _deadline()))
    except Exception as error:  # the next message is another's
        return failure_frame(f"{type(error).__name__} in the parser"[:200])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _signed(request: Request) -> bytes:
    # Imported with the first signed message: a parser of plain mail does without.
    from gateway.authentication.signed_message import read_signed
    from gateway.parser.signed_frames import signed_frame

    if request.path is None:
        return signed_frame(read_signed([request.octets]))
    with Path(request.path).open("rb") as file:
        return signed_frame(read_signed(iter(partial(file.read, _CHUNK), b"")))


def _parse(request: Request, in_time: Callable[[], bool]) -> Parsed:
    if request.path is None:
        return parse(request.octets, in_time, with_html=request.with_html)
    with Path(request.path).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with data:
        if len(data) != request.size:
            raise ValueError("the content file is not as long as its record")
        return parse(data, in_time, with_html=request.with_html)


def _deadline() -> Callable[[], bool]:
    end = time.process_time() + SOFT_SECONDS
    return lambda: time.process_time() < end


if __name__ == "__main__":
    main()
