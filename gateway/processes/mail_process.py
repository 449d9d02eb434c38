"""Mail processes: forked processes that talk to clients, so that more processors are used.

- They are forked before the first thread or event loop is made, and share the pages of everything
  imported until then. Each has its own event loop, and its own view of the store to resolve
  recipients; received messages go to the main process (`gateway.processes.handover`).
- The main process accepts all connections, so that every limit holds for the whole, and hands them
  on as descriptors. Nothing else is shared but counts (`gateway.smtp.admission`,
  `gateway.counters`).
- They talk in small packets: to a mail process `g` (the store is ready), `c`, a network, a space
  and the packed origin, with a descriptor (a connection), `d` (drain), `a` (abort), `h` (read the
  certificate again), `p` (answer me), `i` or `e` and a network (tell how long its longest idle
  session is idle; end it); from it `r` (ready), `x` and a network (a connection has ended), `p`,
  `i` and seconds.
- A mail process whose main process is gone drains and ends. One that dies itself takes its
  connections with it, and another is forked in its place (`gateway.processes.supervision`).
- The end of every connection is reported, also of one that could not be served: the counts of the
  main process never drift.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, NoReturn

from config.logs import event
from gateway.processes.handover import MainEnd

logger = logging.getLogger(__name__)

_PACKET = 256
_EXIT_SECONDS = 5.0
_IDLE_ANSWER_SECONDS = 0.5

Serve = Callable[["Sockets"], Coroutine[Any, Any, None]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Sockets(NamedTuple):
    """One end of the sockets between the main process and the mail process of this number."""

    number: int
    control: socket.socket
    handover: socket.socket

    def close(self) -> None:
        """Close this end."""
        self.control.close()
        self.handover.close()


class MailProcess:
    """A mail process, as the main process sees it.

    Its length is the number of its connections; `lost`: it can take no more.
    """

    def __init__(self, pid: int, wires: Sockets) -> None:
        self.number = wires.number
        self._pid = pid
        self.silent_rounds = 0
        self._idle_answer: asyncio.Future[float] | None = None
        self._control = wires.control
        self._handover = wires.handover
        self._intake: MainEnd | None = None
        self._count = 0
        self._networks: dict[str, int] = {}
        self.lost = False
        self._ready = asyncio.Event()
        self._reaped = False
        self._served_from = 0.0
        self._served_until = 0.0
        self._gone = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self.on_closed: Callable[[str], None] = lambda network: None
        self.on_lost: Callable[[int], None] = lambda number: None

    def __len__(self) -> int:
        return self._count

    async def start(self, intake: Callable[[], MainEnd]) -> None:
        """Tell it that the store is ready, and wait until it can take connections.

        Messages it hands over go to an `intake`.
        """
        loop = asyncio.get_running_loop()
        _, self._intake = await loop.create_unix_connection(intake, sock=self._handover)
        loop.add_reader(self._control, self._hear)
        self._tell(b"g")
        await self._ready.wait()
        self._served_from = loop.time()

    @property
    def pid(self) -> int:
        """Its id, also when it is gone."""
        return self._pid

    @property
    def is_ready(self) -> bool:
        """Whether it has begun to serve, and is not lost."""
        return self._ready.is_set() and not self.lost

    def seconds_served(self) -> float:
        """How long one that is lost had served."""
        return self._served_until - self._served_from if self._served_from else 0.0

    def ask(self) -> None:
        """Have it answer; until it does, `silent_rounds` counts how often it was asked."""
        if self.is_ready:
            self.silent_rounds += 1
            self._tell(b"p")

    async def longest_idle(self, network: str) -> float:
        """For how many seconds a session of this network has waited for its client; the longest.

        Asked by one at a time; 0 when it does not answer.
        """
        if not self._tell(b"i" + network.encode()):
            return 0.0
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._idle_answer = answer
        try:
            async with asyncio.timeout(_IDLE_ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            return 0.0

    def end_idle(self, network: str) -> None:
        """Have that session ended, when it has waited long enough."""
        self._tell(b"e" + network.encode())

    def kill(self) -> None:
        """End it now; it is lost as soon as the kernel has closed its sockets."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def let_go(self) -> None:
        """Close our end in a process that is not the main one."""
        self._control.close()
        self._handover.close()

    async def reap(self) -> None:
        """Have the kernel forget it, when it was our child, and close what led to it."""
        if self._reaped:
            return
        self._reaped = True
        with contextlib.suppress(ChildProcessError):  # the fork server's
            await asyncio.to_thread(os.waitpid, self._pid, 0)
        self._control.close()

    def take(self, client: socket.socket, network: str, origin: bytes) -> bool:
        """Hand a connection over, and close it here; False when it cannot be taken now."""
        if self.lost:
            return False
        try:
            packet = b"c%b %b" % (network.encode(), origin)
            socket.send_fds(self._control, [packet], [client.fileno()])
        except OSError as error:  # its packets pile up: it is too busy, or gone
            event(logger, "mail_process_busy", level=logging.WARNING, cause=error.strerror)
            return False
        client.close()
        self._count += 1
        # By network: if the process dies, the limits must get back what its clients held.
        self._networks[network] = self._networks.get(network, 0) + 1
        return True

    def reload(self) -> None:
        """Make it read the certificate again."""
        self._tell(b"h")

    def log_from(self, level: str) -> None:
        """Make it log everything from this level on."""
        self._tell(b"l" + level.encode())

    def abort(self) -> None:
        """Make it drop all its connections now; it is killed when that takes long."""
        self._tell(b"a")
        patience = self._patience
        if patience is not None and not patience.expired() and not self._gone.is_set():
            patience.reschedule(asyncio.get_running_loop().time() + _EXIT_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Make it drain and end; kill it when it has not ended some seconds after `seconds`."""
        if not self._tell(b"d") and not self.lost:
            with contextlib.suppress(OSError):  # behind all waiting packets it means the same
                self._control.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(seconds + _EXIT_SECONDS) as self._patience:
                await self._gone.wait()
        except TimeoutError:
            event(logger, "mail_process_killed", level=logging.ERROR, pid=self._pid)
            os.kill(self._pid, signal.SIGKILL)
        if self._intake is not None:
            await self._intake.ended.wait()
        asyncio.get_running_loop().remove_reader(self._control)
        await self.reap()

    def _tell(self, packet: bytes) -> bool:
        if self.lost:
            return False
        try:
            self._control.send(packet)
        except OSError as error:
            event(logger, "mail_process_deaf", level=logging.WARNING, cause=error.strerror)
            return False
        return True

    def _hear(self) -> None:
        try:
            packet = self._control.recv(_PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        self.silent_rounds = 0
        match packet[:1]:
            case b"x":
                self._connection_ended(packet[1:].decode())
            case b"i":
                if self._idle_answer is not None and not self._idle_answer.done():
                    self._idle_answer.set_result(float(packet[1:]))
            case b"r":
                self._ready.set()
            case b"":
                self._end()

    def _connection_ended(self, network: str) -> None:
        self._count -= 1
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        self.on_closed(network)

    def _end(self) -> None:
        """It has ended, asked or not: its connections are gone with it."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._control)
        self._served_until = loop.time()
        self.lost = True
        if self._patience is None:
            event(logger, "mail_process_lost", level=logging.ERROR, pid=self._pid, open=self._count)
        self.on_lost(self.number)
        for network, count in self._networks.items():
            for _ in range(count):
                self.on_closed(network)
        self._networks.clear()
        self._count = 0
        self._ready.set()
        self._gone.set()


def fork_mail_processes(
    count: int, serve: Serve, loop_factory: LoopFactory | None
) -> list[MailProcess]:
    """Fork `count` mail processes, numbered from 1.

    To be called before any thread and any event loop. Each runs `serve` with its end of the wires,
    and never returns from here.
    """
    gc.collect()
    # Else a collection in a child would write to the shared pages, and so copy them.
    gc.freeze()
    started: list[tuple[int, Sockets]] = []
    for number in range(1, count + 1):
        ours, theirs = connected_sockets(number)
        pid = os.fork()
        if pid == 0:
            for _, other in started:
                other.close()
            ours.close()
            be_mail_process(theirs, serve, loop_factory)
        theirs.close()
        started.append((pid, ours))
    return [MailProcess(pid, wires) for pid, wires in started]


def connected_sockets(number: int) -> tuple[Sockets, Sockets]:
    """Both ends of what connects the main process with the mail process of this number."""
    control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handover = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (*control, *handover):
        end.setblocking(False)
    return Sockets(number, control[0], handover[0]), Sockets(number, control[1], handover[1])


def be_mail_process(wires: Sockets, serve: Serve, loop_factory: LoopFactory | None) -> NoReturn:
    """Be a mail process until told to end; the process ends here."""
    status = 1
    try:
        # The main process decides when we end, and when we read files again.
        for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(word, signal.SIG_IGN)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve(wires))
        status = 0
    except BaseException:  # nothing above us may run twice, so nothing may leave this process
        logger.exception("fault in a mail process")
    finally:
        logging.shutdown()
        os._exit(status)


async def wait_for_store(control: socket.socket) -> bool:
    """Wait until the main process says that the store is ready; False when it is gone."""
    return (await asyncio.get_running_loop().sock_recv(control, _PACKET)) == b"g"


class ControlChannel:
    """The orders of the main process, received in a mail process."""

    def __init__(
        self,
        control: socket.socket,
        take: Callable[[socket.socket, bytes, Callable[[], None]], None],
    ) -> None:
        """`take` gets each connection: its socket, its origin, and what to call at its end."""
        self._control = control
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._owed: list[bytes] = []
        self.draining = asyncio.Event()
        self.on_abort: Callable[[], None] = lambda: None
        self.on_idle_asked: Callable[[str], None] = lambda network: None
        self.on_idle_end: Callable[[str], None] = lambda network: None
        self.on_reload: Callable[[], object] = lambda: None
        self.on_log_level: Callable[[str], None] = lambda level: None

    def listen(self) -> None:
        """Begin to receive, and report that we can take connections."""
        self._loop.add_reader(self._control, self._hear)
        self.tell(b"r")

    def _hear(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, _PACKET, 1)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        match packet[:1]:
            case b"c":
                self._take_over(packet[1:], descriptors)
            case b"a":
                self.on_abort()
            case b"h":
                self.on_reload()
            case b"l":
                self.on_log_level(packet[1:].decode())
            case b"p":
                self.tell(b"p")
            case b"i":
                self.on_idle_asked(packet[1:].decode())
            case b"e":
                self.on_idle_end(packet[1:].decode())
            case b"d":
                self.draining.set()
            case b"":
                self._loop.remove_reader(self._control)
                self.draining.set()

    def _take_over(self, packet: bytes, descriptors: Sequence[int]) -> None:
        network, _, origin = packet.partition(b" ")

        def ended() -> None:
            self.tell(b"x" + network)

        if not descriptors:  # none was free here, so the kernel has closed the connection
            event(logger, "connection_dropped", level=logging.ERROR, cause="no descriptor is left")
            ended()
            return
        self._take(socket.socket(fileno=descriptors[0]), origin, ended)

    def tell(self, packet: bytes) -> None:
        """Send something to the main process, later when it is slow to read."""
        self._owed.append(packet)
        if len(self._owed) == 1:
            self._send_owed()

    def _send_owed(self) -> None:
        self._loop.remove_writer(self._control)
        while self._owed:
            try:
                self._control.send(self._owed[0])
            except BlockingIOError:
                self._loop.add_writer(self._control, self._send_owed)
                return
            except OSError:  # the main process is gone; `_hear` notices it as well
                self._owed.clear()
                return
            del self._owed[0]
