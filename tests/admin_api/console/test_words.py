"""Texts made of values: times in the inbox's zone, sizes, names."""

from datetime import UTC, datetime

import pytest

from admin_api.console.words import Moment, browser, initials, moment, size, told

NOW = int(datetime(2026, 11, 28, 2, 0, tzinfo=UTC).timestamp()) * 1_000_000
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sales@example.test", "SA"),
        ("support@example.test", "SU"),
        ("ann.b.doe@example.test", "AD"),
        ("Ann Doe", "AD"),
        ("Ada B. Lovelace", "AL"),
        ("", "?"),
        ("x@example.test", "X"),
        ("-@example.test", "?"),
    ],
)
def test_two_letters_tell_teammates_apart_without_a_colour(name: str, shown: str) -> None:
    assert initials(name) == shown


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        (f"{WINDOWS} Chrome/156.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"
         " (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36",
         "Chrome on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)  # fmt: skip
def test_a_session_is_told_by_its_browser_not_by_a_line_of_versions(
    user_agent: str | None, shown: str
) -> None:
    assert browser(user_agent) == shown


def test_a_fault_is_a_sentence_of_its_own() -> None:
    assert told("is not an inbox of this tenant") == "This is not an inbox of this tenant."
    assert told("must not be empty") == "This must not be empty."
    assert told("Choose at least one thread.") == "Choose at least one thread."
    assert told("already taken") == "already taken"
