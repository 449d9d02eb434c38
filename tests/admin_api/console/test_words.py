"""Texts made of values: times in the inbox's zone, sizes, names."""

from datetime import UTC, datetime

import pytest

from admin_api.console.words import Moment, initials, moment, size

NOW = int(datetime(2026, 11, 28, 2, 0, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        ("2026-11-28T01:05:00.000Z", "UTC", "01:05"),
        ("2026-11-28T01:05:00.000Z", "Asia/Tokyo", "10:05"),
        ("2026-11-27T23:30:00.000Z", "UTC", "27 Nov"),
        ("2026-11-27T23:30:00.000Z", "Europe/Berlin", "00:30"),
        ("2026-11-28T01:05:00.000Z", "America/New_York", "20:05"),  # it is still the 27th there
        ("2026-01-01T05:00:00.000Z", "America/New_York", "1 Jan"),
        ("2026-01-01T04:59:00.000Z", "America/New_York", "2025-12-31"),
        ("2025-11-27T14:05:00.000Z", "UTC", "2025-11-27"),
        ("2027-01-01T00:00:00.000Z", "UTC", "2027-01-01"),
    ],
)
def test_a_time_is_todays_hour_this_years_day_or_a_date(instant: str, zone: str, text: str) -> None:
    assert moment(instant, zone=zone, now=NOW) == Moment(text, instant)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        *((0, "0 B"), (1023, "1023 B"), (1024, "1 KB"), (1536, "1.5 KB")),
        *((5 << 20, "5 MB"), (3 << 30, "3 GB")),
    ],
)
def test_a_size_is_in_the_unit_that_people_read(octets: int, text: str) -> None:
    assert size(octets) == text


def test_initials_are_the_first_and_the_last() -> None:
    names = ("ann.lee@example.test", "Bo", "Ada B. Lovelace", "@", "")
    assert [initials(one) for one in names] == ["AL", "B", "AL", "?", "?"]
