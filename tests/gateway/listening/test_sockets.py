"""Unix sockets: who may connect, whose file is replaced, and whose is removed."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from config.listening import ListenAddress, UnixSocket
from config.settings import Settings
from config.values import Endpoint
from gateway.listening.sockets import listening_socket, listening_sockets


def settings(**given: object) -> Settings:
    return Settings(**given)  # type: ignore[arg-type]


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_mode_and_group_are_those_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "s"
    group = grp.getgrgid(os.getgroups()[-1] if os.getgroups() else os.getgid())

    made = listening_socket(
        UnixSocket(path), settings(socket_mode=0o640, socket_group=group.gr_name)
    )

    found = path.stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, group.gr_gid)
    connect(path)
    made.close()
    assert not path.exists()


def test_a_file_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    made = listening_socket(UnixSocket(path), settings())

    connect(path)
    made.close()


def test_where_somebody_listens_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = listening_socket(UnixSocket(path), settings())

    with pytest.raises(OSError, match="in use"):
        listening_socket(UnixSocket(path), settings())

    connect(path)
    first.close()


def test_what_is_no_socket_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("a letter")

    with pytest.raises(OSError, match="in use"):
        listening_socket(UnixSocket(path), settings())

    assert path.read_text() == "a letter"


def test_the_file_of_a_later_server_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = listening_socket(UnixSocket(path), settings())
    path.unlink()
    second = listening_socket(UnixSocket(path), settings())

    first.close()

    connect(path)
    second.close()
    assert not path.exists()


def test_all_addresses_are_taken_or_none(tmp_path: Path) -> None:
    good, bad = tmp_path / "s", tmp_path / "nowhere" / "s"
    wanted: list[ListenAddress] = [
        *(Endpoint("127.0.0.1", 0), Endpoint("::1", 0)),
        *(UnixSocket(good), UnixSocket(bad)),
    ]
    with pytest.raises(FileNotFoundError):
        listening_sockets(wanted, settings())
    assert not good.exists()

    made = listening_sockets(wanted[:3], settings())

    assert [str(one.address).rpartition(":")[0] for one in made] == ["127.0.0.1", "[::1]", "unix"]
    for one in made:
        one.close()


def test_a_handed_socket_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()

        (made,) = listening_sockets([], settings(), [os.dup(theirs.fileno())])
        made.close()

        assert str(made.address) == f"unix:{path}"
        connect(path)
