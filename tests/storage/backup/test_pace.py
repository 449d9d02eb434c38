"""A backup rests while mail is written, never for long, and not while its snapshot costs much."""

import os
from pathlib import Path

import pytest

from storage.backup.pace import Pace
from tests.support.cases import cases


class Hands:
    """A clock that sleeping moves on; the log was written to until `written_until`."""

    def __init__(self, log: Path, written_until: float) -> None:
        self.log, self.written_until = log, written_until
        self.time = self.slept = 0.0

    def now(self) -> float:
        written = min(self.time, self.written_until)
        os.utime(self.log, (written, written))
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.time += seconds

    def pace(self) -> Pace:
        return Pace(self.log, ticks=self.now, sleep=self.sleep, now=self.now)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "postroom.db-wal"
    path.touch()
    return path


def rested(log: Path, *, worked: float, written_until: float) -> float:
    hands = Hands(log, written_until)
    pace = hands.pace()
    hands.time += worked
    pace.rest()
    return hands.slept


def test_a_backup_rests_as_long_as_mail_is_written(log: Path) -> None:
    with cases() as case:
        for name, worked, written_until, least, most in [
            ("eleven times as long as it worked", 0.1, 99.0, 1.1, 1.15),
            ("two seconds at most", 9.0, 99.0, 2.0, 2.05),
            ("until the log is quiet", 0.1, 0.5, 0.6, 0.65),
            ("not beside a quiet log", 1.0, 0.5, 0.0, 0.0),
        ]:
            with case(name):
                slept = rested(log, worked=worked, written_until=written_until)
                assert least <= round(slept, 6) <= most


def test_a_log_that_grows_by_a_gibibyte_ends_the_rests_of_the_snapshot_alone(log: Path) -> None:
    hands = Hands(log, 99.0)
    pace = hands.pace()
    hands.time += 0.01
    pace.rest_with_snapshot()
    at_first = hands.slept
    assert at_first > 0
    os.truncate(log, (1 << 30) + 1)
    hands.time += 0.1
    pace.rest_with_snapshot()
    assert hands.slept == at_first
    # The snapshot has ended; the file has not become shorter.
    hands.time += 0.1
    pace.rest()
    assert hands.slept - at_first == pytest.approx(1.1, abs=0.05)


def test_a_store_without_a_log_is_not_waited_for(tmp_path: Path) -> None:
    for log in (None, tmp_path / "none"):
        hands = Hands(tmp_path, 99.0)
        pace = Pace(log, ticks=lambda: 1.0, sleep=hands.sleep, now=lambda: 1.0)
        pace.rest()
        assert hands.slept == 0.0
