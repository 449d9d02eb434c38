"""Starts `postroom` quickly: forks it from a process that has imported its modules already.

To import them takes two seconds of a processor, most of what a start takes; hundreds of tests start
one. Rules:

- The process that is forked has done nothing yet. It runs the program's `main` with arguments,
  environment, directory and files of its own, and can be killed like any other.
- What was imported is frozen before the fork: three collections of a server would walk all of it.
  For the same reason the forked process ends without taking everything apart.
- Passwords are hashed with next to no memory, as in the test process itself.
- What was forked may have other `constants` than the product, by module and name: a lease that a
  test waits for. One that is not there, or is bound elsewhere already, would be waited for in full.
- A test about the start itself, about all memory of a process (its growth is the same), or with a
  wrapper around the program starts the interpreter, as a user does.
- A `program` is a file that shells and tests run in place of `postroom`: it hands over its
  arguments, environment, directory and files, passes SIGINT and SIGTERM on, and ends as what was
  forked did.
- Nothing is left behind: all of them die with the test process.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import marshal
import os
import resource
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_PACKET = 1 << 17
_PR_SET_PDEATHSIG = 1
_PROGRAM = """#!{python} -IS
import _socket, marshal, os, signal, sys
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
line.connect("\\0{door}")
status, tell = os.pipe()
files = b"".join(one.to_bytes(4, sys.byteorder) for one in (0, 1, 2, tell))
packet = marshal.dumps((sys.argv[1:], dict(os.environ), os.getcwd(), 0, {{}}))
line.sendmsg([packet], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
os.close(tell)
pid = int(line.recv(16))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
ended = int(os.read(status, 16) or -9)
sys.exit(ended if ended >= 0 else 128 - ended)
"""
_IMPORTED_LATE = ("gateway.commands.demo", "gateway.server.wiring", "argon2")
PASSWORD_KIB = 64


class Launched:
    """A process that was forked for us, as `subprocess.Popen` shows one of its own."""

    def __init__(self, arguments: Sequence[str], pid: int, status: int) -> None:
        self.args = arguments
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit status. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = int(os.read(self._status, 16) or -signal.SIGKILL)
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class WarmStart:
    """The process that forks, started when it is first asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._door = f"postroom-test-{secrets.token_hex(8)}"  # abstract: no file is left
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def launch(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        out: IO[Any],
        err: IO[Any],
        descriptors: int = 0,
        *,
        constants: Mapping[str, float] | None = None,
    ) -> Launched:
        """Run `postroom` with these arguments; it reads nothing.

        It may have so many `descriptors`; 0: as many as we.
        """
        line = self._line or self._begin()
        own = (descriptors, dict(constants or {}))
        packet = marshal.dumps((list(arguments), dict(environ), str(self._root), *own))
        status, tell = os.pipe()
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            files = [nothing.fileno(), out.fileno(), err.fileno(), tell]
            socket.send_fds(line, [packet], files)
        os.close(tell)
        return Launched(arguments, int(line.recv(_PACKET)), status)

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], *, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `postroom` to its end; what it wrote."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            launched = self.launch(arguments, environ, out, err)
            try:
                status = launched.wait(timeout)
            except subprocess.TimeoutExpired:
                launched.kill()
                launched.wait()
                raise
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, status, out.read(), err.read())

    def program(self, path: Path) -> Path:
        """Write an executable file that does what `postroom` does."""
        if self._line is None:
            self._begin()
        path.write_text(_PROGRAM.format(python=sys.executable, door=self._door))
        path.chmod(0o755)
        return path

    def _begin(self) -> socket.socket:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(f"\0{self._door}")
            door.listen()
            files = [theirs.fileno(), door.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, *map(str, files)],
                cwd=self._root,
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        return self._line

    def end(self) -> None:
        if self._line is not None and self._process is not None:
            self._line.close()
            self._process.wait(20)


def _fork_for_ever(line: socket.socket, door: socket.socket) -> list[str]:
    """Fork what is asked for, until the line ends; then all that was forked ends, too.

    Returns in the forked process, with its arguments.
    """
    poll, running = select.poll(), dict[int, tuple[int, int]]()
    asking = {line.fileno(): line}
    poll.register(line, select.POLLIN)
    poll.register(door, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready == door.fileno():
                caller, _ = door.accept()
                asking[caller.fileno()] = caller
                poll.register(caller, select.POLLIN)
            elif ready in running:
                poll.unregister(ready)
                _tell_of_end(ready, *running.pop(ready))
            elif (packet := socket.recv_fds(asking[ready], _PACKET, 4))[0]:
                parent = os.getpid()
                pid = os.fork()
                if pid == 0:
                    return _begin_anew(packet[0], packet[1], parent)
                ended = os.pidfd_open(pid)
                running[ended] = pid, packet[1].pop()
                poll.register(ended, select.POLLIN)
                for stream in packet[1]:
                    os.close(stream)
                asking[ready].send(b"%d" % pid)
            elif ready == line.fileno():
                sys.exit()
            else:
                poll.unregister(ready)
                asking.pop(ready).close()


def _tell_of_end(ended: int, pid: int, tell: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        os.write(tell, b"%d" % status)
    os.close(tell)
    os.close(ended)


def _begin_anew(packet: bytes, files: Sequence[int], parent: int) -> list[str]:
    """Take over arguments, environment, directory and files; others that were open are closed."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    # A pipe cannot be sought as what was open there could.
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    arguments, environ, folder, descriptors, constants = marshal.loads(packet)
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for name, value in constants.items():
        set_constant(name, value)
    return list(arguments)


def set_constant(name: str, value: float) -> None:
    module, _, constant = name.rpartition(".")
    found = import_module(module)
    if type(getattr(found, constant)) is not type(value):
        raise TypeError(f"{name} is no {type(value).__name__}")
    setattr(found, constant, value)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _main(line: int, door: int) -> None:
    """Import, fork, and be the program in what was forked."""
    from admin_api.access import passwords
    from gateway import __main__ as program

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    found = {target.partition(":")[0] for target in program.COMMANDS.values()}
    for name in (*found, *_IMPORTED_LATE):
        import_module(name)
    passwords._KIB = PASSWORD_KIB
    gc.freeze()
    sys.argv[1:] = _fork_for_ever(socket.socket(fileno=line), socket.socket(fileno=door))
    sys.argv[0] = str(program.__file__)
    try:
        program.main()
    except SystemExit as ended:
        if isinstance(ended.code, int):
            _end_soon(ended.code)
        raise


def _end_soon(status: int) -> None:
    """End as a program does, but for the memory, which goes with the process anyway."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
