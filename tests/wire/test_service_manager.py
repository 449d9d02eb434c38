"""What systemd hands over and hears: sockets by name, READY, RELOADING, STOPPING, the watchdog."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import Servers
from tests.support.smtp import SmtpClient, message

# Takes systemd's place: binds, gives the descriptors their numbers, and becomes the service.
ACTIVATE = """
import os, socket, sys
names, notify, *command = sys.argv[1:]
kept = []
for number, name in enumerate(names.split(":"), 3):
    kept.append(listening := socket.socket())
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    os.dup2(listening.fileno(), number)
    os.set_inheritable(number, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(number - 2),
    "LISTEN_FDNAMES": names, "NOTIFY_SOCKET": notify, "WATCHDOG_USEC": "200000"}
os.execv(command[0], command)
"""


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def await_word(heard: socket.socket, word: str) -> None:
    """Wait for a notification; others may come before it."""
    while not heard.recv(1000).decode().startswith(word):
        pass


def test_sockets_that_are_handed_over_are_served_and_the_manager_is_told(
    servers: Servers, heard: socket.socket
) -> None:
    server = servers.new({"mail_processes": "2", "log_level": "warning"})
    names = "smtp:lmtp:http"
    server.wrapper = (sys.executable, "-c", ACTIVATE, names, heard.getsockname())
    server.start_demo()
    try:
        await_word(heard, "READY=1")
        await_word(heard, "WATCHDOG=1")
        with server.client() as client:
            assert client.begin(["team@example.test"])[-1].code == 250
        with SmtpClient(server.address("lmtp")) as client:
            assert client.greeting.lines == ("220 mx.example.test LMTP",)
        for mailbox in server.mailboxes():
            with mailbox:
                assert mailbox.newest(1) == []
        server.process.send_signal(signal.SIGHUP)
        await_word(heard, "RELOADING=1\nMONOTONIC_USEC=")
        await_word(heard, "READY=1")
        server.terminate()
        await_word(heard, "STOPPING=1")
        assert server.wait() == 0
    finally:
        servers.stop(server)


def test_a_socket_with_another_name_is_a_fault_at_start(servers: Servers, tmp_path: Path) -> None:
    server = servers.new()
    server.wrapper = (sys.executable, "-c", ACTIVATE, "postroom.socket", str(tmp_path / "nobody"))
    with pytest.raises(AssertionError, match="FileDescriptorName= is one of smtp, lmtp"):
        server.start_demo()
    servers.stop(server)


def test_settings_that_cannot_change_while_running_are_named(
    servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("")
    server = servers.new({"config": str(file), "mail_processes": "2"})
    server.start_demo()
    try:
        server.stop()
        file.write_text('log_level = "warning"\n')
        server.start()
        file.write_text("max_recipients = 7\n")
        server.process.send_signal(signal.SIGHUP)
        server.await_log("settings_need_restart")
        assert "keys=max_recipients" in server.log_tail()
        # In the process that has the connection, too.
        server.await_log("settings_read")
        with server.client() as client:
            assert client.deliver(message("Logged"), ["team@example.test"]).code == 250
        server.await_log(" accepted ")
        file.write_text("max_recipients = 0\n")
        server.process.send_signal(signal.SIGHUP)
        server.await_log("settings_kept")
    finally:
        servers.stop(server)
