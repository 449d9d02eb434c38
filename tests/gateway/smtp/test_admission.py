"""Space on disk: what is free, what is reserved, and by whom."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.reservations import Reservations
from gateway.smtp.admission import Claim, Space
from storage.errors import StoreFull, StoreUnavailable

MIB = 1024 * 1024
LIMIT = 2 * MIB
FLOOR = 3 * MIB
ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Disk:
    """A disk with so many free octets; set `free` to None when it cannot be asked."""

    def __init__(self, free: int) -> None:
        self.free: int | None = free
        self.asked = 0

    def statvfs(self, _: object) -> SimpleNamespace:
        self.asked += 1
        if self.free is None:
            raise FileNotFoundError(2, "No such file or directory")
        return SimpleNamespace(f_bavail=self.free, f_frsize=1)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(FLOOR + 100 * MIB)  # a network may reserve 10 MiB
    monkeypatch.setattr(os, "statvfs", disk.statvfs)
    return disk


@pytest.fixture
def space(tmp_path: Path, disk: Disk) -> Space:
    return Space(tmp_path, size_limit=LIMIT, reservations=Reservations(2))


def claimed(space: Space, network: str, size: int | None, *, exempt: bool = False) -> Claim:
    claim = space.claim(network, size, exempt=exempt)
    assert claim is not None
    return claim


def test_a_network_reserves_a_tenth_of_what_is_free_above_the_floor(space: Space) -> None:
    held = [claimed(space, ONE, 2 * MIB) for _ in range(5)]

    assert space.claim(ONE, 1, exempt=False) is None
    assert space.reservations.messages_of(ONE) == 5

    other = claimed(space, OTHER, 2 * MIB)
    exempt = claimed(space, "127.0.0.1", 2 * MIB, exempt=True)
    held.pop().give_back()
    claimed(space, ONE, 2 * MIB).give_back()
    for claim in (*held, other, exempt):
        claim.give_back()
    assert space.reservations.total() == 0
    assert space.reservations.of_network(ONE) == space.reservations.messages_of(ONE) == 0


def test_one_message_is_always_taken_while_there_is_room(space: Space, disk: Disk) -> None:
    disk.free = FLOOR + 1 * MIB  # a tenth is less than the message

    claim = claimed(space, ONE, 1 * MIB)

    assert space.claim(ONE, 1, exempt=False) is None
    claim.give_back()


def test_below_the_floor_nobody_begins(space: Space, disk: Disk) -> None:
    disk.free = FLOOR
    claim = claimed(space, ONE, 1)

    assert not space.has_room()
    assert space.claim(OTHER, 1, exempt=True) is None
    claim.give_back()
    assert space.has_room()


def test_without_a_declared_size_more_is_reserved_as_it_comes(space: Space) -> None:
    claim = claimed(space, ONE, None)
    assert space.reservations.total() == 256 * 1024

    claim.cover(256 * 1024)
    assert space.reservations.total() == 256 * 1024
    claim.cover(256 * 1024 + 1)
    assert space.reservations.total() == 256 * 1024 + MIB

    claim.give_back()


def test_what_is_written_leaves_the_reservation(space: Space) -> None:
    claim = claimed(space, ONE, 2 * MIB)

    claim.written(MIB)
    assert space.reservations.of_network(ONE) == MIB
    claim.written(5 * MIB)
    assert space.reservations.total() == 0

    claim.give_back()
    assert space.reservations.total() == 0


def test_a_message_that_outgrows_the_share_of_its_network_is_deferred(space: Space) -> None:
    others = [claimed(space, ONE, 2 * MIB) for _ in range(4)]
    claim = claimed(space, ONE, None)

    with pytest.raises(StoreFull):
        claim.cover(12 * MIB)

    claim.give_back()
    for other in others:
        other.give_back()
    alone = claimed(space, ONE, None)
    alone.cover(12 * MIB)
    alone.give_back()


def test_all_processes_count(tmp_path: Path, space: Space) -> None:
    claims = [claimed(space, ONE, 2 * MIB) for _ in range(3)]
    space.reservations.own = 1
    claims += [claimed(space, ONE, 2 * MIB) for _ in range(2)]

    assert space.claim(ONE, 1, exempt=False) is None
    space.reservations.forget(0)
    assert space.reservations.of_network(ONE) == 4 * MIB
    claimed(space, ONE, 1).give_back()


def test_a_disk_that_cannot_be_asked_is_unavailable(space: Space, disk: Disk) -> None:
    disk.free = None

    with pytest.raises(StoreUnavailable):
        space.has_room()
    with pytest.raises(StoreUnavailable):
        space.claim(ONE, 1, exempt=False)
    assert space.reservations.messages_of(ONE) == 0


def test_the_disk_is_asked_again_after_a_moment_and_after_a_write(
    tmp_path: Path, disk: Disk
) -> None:
    seconds = 1.0
    space = Space(tmp_path, size_limit=LIMIT, reservations=Reservations(2), ticks=lambda: seconds)
    assert space.has_room()
    claim = claimed(space, ONE, 2 * MIB)
    assert disk.asked == 1

    disk.free = FLOOR
    claim.written(MIB)
    assert not space.has_room()
    assert disk.asked == 2

    disk.free = 2 * FLOOR
    assert not space.has_room()
    seconds += 0.01
    assert space.has_room()
