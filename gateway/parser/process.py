"""The gateway's side of the parser's process: started when needed, replaced when it dies.

- A batch is sent at once and answered in order, so the gateway wakes for a batch and not for each
  of its messages.
- The process has `HARD_SECONDS` of CPU for a message, which the system sees to. Here only the wall
  is watched, more patiently: on a busy machine a process that gives way may have to wait. While it
  waits for the processor or the disk it has six times as long, also to start: a machine's load is
  no message's fault, and a process that is ended before it is ready costs as much again.
- The message on which it died is the first that has no answer; those behind it were not begun.
- It inherits two pipes, no socket, and of the environment nothing but how to find its modules.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.authentication.signed_message import SignedMessage
from gateway.parser.ipc import (
    HEADER,
    MAX_JSON,
    READY,
    BadFrame,
    Request,
    lengths,
    read_result,
    request_frame,
    seconds_for,
)
from gateway.parser.signed_frames import read_signed_result
from storage.message_format.mime_parts import Parsed

WALL_SECONDS = 5.0
_LOOK_AFTER = 0.9
_TIMES_WAITING = 6  # half a minute: less than a lease of the parse queue
_START_SECONDS = 20.0
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
_ROOT = Path(__file__).resolve().parents[2]

T = TypeVar("T")
_Read = Callable[[bytes, bytes, int], T | str]


class ParserUnavailable(Exception):
    """The process cannot be started; no message is to blame."""


class ParserProcess:
    """At most one process at a time; used by one task."""

    def __init__(self, *, size_limit: int) -> None:
        self._size_limit = size_limit
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The running process, if there is one."""
        return None if self._process is None else self._process.pid

    async def parse(self, requests: Sequence[Request]) -> list[Parsed | str]:
        """Results, or the reasons for none, in order; fewer than asked when the process died.

        The last of them is then the reason; what follows has not been looked at. Raises
        ParserUnavailable.
        """
        return await self._ask(requests, read_result)

    async def read_signed(self, request: Request) -> SignedMessage | str:
        """The header and the hashes of a body, or the reason for none. Raises ParserUnavailable."""
        (answer,) = await self._ask([request], read_signed_result)
        return answer

    async def _ask(self, requests: Sequence[Request], read: _Read[T]) -> list[T | str]:
        process = await self._running()
        assert process.stdin is not None
        for request in requests:
            process.stdin.write(request_frame(request))
        answers: list[T | str] = []
        for request in requests:
            try:
                answers.append(await self._answer(process, request, read))
            except (TimeoutError, asyncio.IncompleteReadError, BadFrame, OSError) as error:
                answers.append(await self._end(process, error, request))
                break
            except asyncio.CancelledError:  # its answer would be taken for the next one's
                await self.stop()
                raise
        return answers

    async def _answer(
        self, process: asyncio.subprocess.Process, request: Request, read: _Read[T]
    ) -> T | str:
        assert process.stdout is not None
        async with _patient(WALL_SECONDS * seconds_for(request), process.pid):
            return await _read_answer(process.stdout, request, read)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        try:
            self._process = await self._start()
            assert self._process.stdout is not None
            async with _patient(_START_SECONDS, self._process.pid):
                if await self._process.stdout.readexactly(len(READY)) == READY:
                    return self._process
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.stop()
            raise ParserUnavailable(type(error).__name__) from error
        await self.stop()
        raise ParserUnavailable("it says something else")

    async def _start(self) -> asyncio.subprocess.Process:
        # The environment may hold passwords, and this process reads what strangers sent.
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            # No file of the working directory may take the place of one of our modules.
            "-P",
            "-m",
            "gateway.parser.worker",
            str(self._size_limit),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**environment, "PYTHONPATH": str(_ROOT)},
            limit=MAX_JSON,
        )

    async def _end(
        self, process: asyncio.subprocess.Process, error: Exception, request: Request
    ) -> str:
        """Make sure that the process is gone; why it had to go."""
        if not isinstance(error, asyncio.IncompleteReadError):
            _kill(process)
        status = await _gone(process)
        self._process = None
        if isinstance(error, TimeoutError):
            return f"took more than {WALL_SECONDS * seconds_for(request):g} seconds"
        if isinstance(error, BadFrame):
            return f"the parser's answer is not usable: {error}"
        if status == -signal.SIGPROF:
            return "took more than a second of the processor"
        return f"the parser's process ended with status {status}"

    async def stop(self) -> None:
        """End the process; the next message starts another.

        A call that is cancelled leaves the rest to the next one.
        """
        process = self._process
        if process is not None:
            _kill(process)
            await _gone(process)
            if self._process is process:
                self._process = None


async def _read_answer(answers: asyncio.StreamReader, request: Request, read: _Read[T]) -> T | str:
    json, octets = lengths(await answers.readexactly(HEADER))
    head = await answers.readexactly(json)
    return read(head, await answers.readexactly(octets), request.size)


@contextlib.asynccontextmanager
async def _patient(seconds: float, pid: int) -> AsyncIterator[None]:
    """Raise TimeoutError after so many, or several times as many while `pid` waits for its turn."""
    async with asyncio.timeout(seconds) as limit:
        patience = _Patience(limit, seconds, pid)
        try:
            yield
        finally:
            patience.end()


class _Patience:
    """Puts a limit off, again and again, while a process waits for the machine."""

    def __init__(self, limit: asyncio.Timeout, wall: float, pid: int) -> None:
        self._limit = limit
        self._wall = wall
        self._pid = pid
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time() + (_TIMES_WAITING - 1) * wall
        self._timer = self._loop.call_later(_LOOK_AFTER * wall, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._last and _is_at_work(self._pid):
            self._limit.reschedule(self._loop.time() + self._wall)
            self._timer = self._loop.call_later(_LOOK_AFTER * self._wall, self._look)

    def end(self) -> None:
        self._timer.cancel()


def _is_at_work(pid: int) -> bool:
    """Whether the process runs, or waits for the processor or the disk, as far as Linux tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("R", "D")


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _gone(process: asyncio.subprocess.Process) -> int:
    try:
        async with asyncio.timeout(WALL_SECONDS):
            return await process.wait()
    except TimeoutError:  # it closed its output and goes on
        _kill(process)
        return await process.wait()
