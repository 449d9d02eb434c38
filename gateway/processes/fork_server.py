"""The fork server: a process without threads or connections, from which mail processes are forked.

- The main process has threads and a store open, so it must not fork any more. This process was
  forked beside the first mail processes and has done nothing since; what it forks is as they were.
- The two talk in packets: to it a number, with the two sockets of the new mail process; from it the
  new process's id. It ends when the main process does.
- There are two, of which one waits: it takes the place of one that is lost, and forks the next one
  to wait, on a line of its own. It costs little memory: all of it is shared with the main process.
- It is shown under a name of its own, so that nobody takes it for a mail process.
- A mail process made here is its child, and nobody has to wait for it (SIGCHLD is ignored here).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from config.logs import event
from gateway.processes.mail_process import (
    LoopFactory,
    MailProcess,
    Serve,
    Sockets,
    be_mail_process,
    connected_sockets,
)

logger = logging.getLogger(__name__)

_SHOWN_AS = b"postroom: fork server"
_SPARE = b"spare"
_PACKET = 64
_ANSWER_SECONDS = 5.0
_END_SECONDS = 1.0


class ForkServerProcess(NamedTuple):
    """One process that forks, and our end of the line to it; a later one is no child of ours."""

    pid: int
    line: socket.socket
    is_child: bool


class ForkServer:
    """The fork server and its spare, as the main process sees them. Used by one task at a time."""

    def __init__(self, servers: list[ForkServerProcess]) -> None:
        """The first of `servers` is asked; another takes its place when it is lost."""
        self._servers = servers

    async def fork(self, number: int) -> MailProcess | None:
        """Make the mail process of this number; None when that cannot be done."""
        while self._servers:
            ours, theirs = connected_sockets(number)
            descriptors = [theirs.control.fileno(), theirs.handover.fileno()]
            pid = None
            try:
                pid = await self._ask(b"%d" % number, descriptors)
            finally:
                theirs.close()
                if pid is None:
                    ours.close()
            if pid is not None:
                return MailProcess(pid, ours)
            await self._replace()
        return None

    async def _ask(self, packet: bytes, descriptors: list[int]) -> int | None:
        """Have the first one fork; the new process's id, None when the server is lost."""
        server = self._servers[0]
        try:
            socket.send_fds(server.line, [packet], descriptors)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await asyncio.get_running_loop().sock_recv(server.line, _PACKET)
            if not answer:
                raise ConnectionResetError("the fork server has ended")
        except (OSError, TimeoutError) as error:
            event(
                logger, "fork_server_lost", level=logging.ERROR, pid=server.pid, cause=repr(error)
            )
            return None
        return int(answer)

    async def _replace(self) -> None:
        """Let the spare serve, and have it make the next spare."""
        lost = self._servers.pop(0)
        # One that only hangs must not answer later: that would be taken for the next answer.
        await _end(lost, patience=0.0)
        if not self._servers:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = await self._ask(_SPARE, [theirs.fileno()])
        theirs.close()
        if pid is None:
            ours.close()
            return
        ours.setblocking(False)
        self._servers.append(ForkServerProcess(pid, ours, is_child=False))
        event(logger, "fork_server_replaced", level=logging.WARNING, lost=lost.pid, spare=pid)

    async def close(self) -> None:
        """Have them end."""
        for server in self._servers:
            await _end(server, patience=_END_SECONDS)


async def _end(server: ForkServerProcess, *, patience: float) -> None:
    """Close its line, which ends it, and kill it after so many seconds."""
    server.line.close()
    deadline = time.monotonic() + patience
    while server.is_child and os.waitpid(server.pid, os.WNOHANG)[0] == 0:  # noqa: ASYNC222
        if time.monotonic() > deadline:
            os.kill(server.pid, signal.SIGKILL)
        await asyncio.sleep(0.01)
    if not server.is_child and patience == 0:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)


def start_fork_server(
    serve: Serve, loop_factory: LoopFactory | None, others: Sequence[MailProcess]
) -> ForkServer:
    """Fork the fork server and its spare, behind the first mail processes, the `others`.

    To be called before any thread and any event loop; they never return from here.
    """
    servers: list[ForkServerProcess] = []
    for _ in range(2):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            for server in servers:
                server.line.close()
            for other in others:  # else they would never learn that the main process is gone
                other.let_go()
            _fork_for_ever(theirs, serve, loop_factory)
        theirs.close()
        ours.setblocking(False)
        servers.append(ForkServerProcess(pid, ours, is_child=True))
    return ForkServer(servers)


def _fork_for_ever(line: socket.socket, serve: Serve, loop_factory: LoopFactory | None) -> NoReturn:
    status = 1
    try:
        for word in (signal.SIGINT, signal.SIGTERM):  # the main process decides when we end
            signal.signal(word, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        arguments = show_as(_SHOWN_AS)
        while True:
            packet, descriptors, _, _ = socket.recv_fds(line, _PACKET, 2)
            if not packet:
                break
            pid = os.fork()
            if packet == _SPARE and pid == 0:
                line.close()
                line = socket.socket(fileno=descriptors[0])
                continue
            if pid == 0:
                line.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                show_as(arguments)
                control, handover = (socket.socket(fileno=each) for each in descriptors)
                be_mail_process(Sockets(int(packet), control, handover), serve, loop_factory)
            for descriptor in descriptors:
                os.close(descriptor)
            line.send(b"%d" % pid)
        status = 0
    except BaseException:  # nothing above us may run twice, so nothing may leave this process
        logger.exception("fault in the fork server")
    finally:
        logging.shutdown()
        os._exit(status)


def show_as(arguments: bytes) -> bytes:
    """Have `ps` show these octets as the command line, as far as there is room; those before.

    Where the kernel does not let us, nothing changes, and nothing is returned.
    """
    try:
        # The second field is the command, which may itself hold blanks and parentheses.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        if not arguments or not 0 < start < end:
            return b""
        with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            memory.seek(start)
            before = memory.read(end - start)
            memory.seek(start)
            memory.write(arguments[: end - start].ljust(end - start, b"\0"))
    except OSError:
        return b""
    return before
