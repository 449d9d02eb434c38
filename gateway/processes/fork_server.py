"""The fork server: a process without threads or connections, from which mail processes are forked.

- The main process has threads and a store open, so it must not fork any more. This process was
  forked beside the first mail processes and has done nothing since; what it forks is as they were.
- The two talk in packets: to it a number, with the two sockets of the new mail process; from it the
  new process's id. It ends when the main process does.
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
from pathlib import Path
from typing import NoReturn

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
_PACKET = 64
_ANSWER_SECONDS = 5.0
_END_SECONDS = 1.0


class ForkServer:
    """The fork server, as the main process sees it. Used by one task at a time."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self._pid = pid
        self._line = line
        self._lost = False

    async def fork(self, number: int) -> MailProcess | None:
        """Make the mail process of this number; None when that cannot be done."""
        if self._lost:
            return None
        ours, theirs = connected_sockets(number)
        packet = b""
        try:
            packet = await self._ask(theirs)
        except (OSError, TimeoutError) as error:
            self._lost = True  # a late answer would be taken for the next one's
            event(logger, "fork_server_lost", level=logging.ERROR, cause=repr(error))
        finally:
            theirs.close()
            if not packet:
                ours.close()
        return MailProcess(int(packet), ours) if packet else None

    async def _ask(self, theirs: Sockets) -> bytes:
        descriptors = [theirs.control.fileno(), theirs.handover.fileno()]
        socket.send_fds(self._line, [b"%d" % theirs.number], descriptors)
        async with asyncio.timeout(_ANSWER_SECONDS):
            packet = await asyncio.get_running_loop().sock_recv(self._line, _PACKET)
        if not packet:
            raise ConnectionResetError("the fork server has ended")
        return packet

    async def close(self) -> None:
        """Have it end."""
        self._line.close()
        deadline = time.monotonic() + _END_SECONDS
        while os.waitpid(self._pid, os.WNOHANG)[0] == 0:  # noqa: ASYNC222  # does not block
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            await asyncio.sleep(0.01)


def start_fork_server(
    serve: Serve, loop_factory: LoopFactory | None, others: Sequence[MailProcess]
) -> ForkServer:
    """Fork the fork server, behind the first mail processes, the `others`.

    To be called before any thread and any event loop; the server itself never returns from here.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        for other in others:  # else they would never learn that the main process is gone
            other.let_go()
        _fork_for_ever(theirs, serve, loop_factory)
    theirs.close()
    ours.setblocking(False)
    return ForkServer(pid, ours)


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
            control, handover = (socket.socket(fileno=descriptor) for descriptor in descriptors)
            wires = Sockets(int(packet), control, handover)
            pid = os.fork()
            if pid == 0:
                line.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                show_as(arguments)
                be_mail_process(wires, serve, loop_factory)
            wires.close()
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
