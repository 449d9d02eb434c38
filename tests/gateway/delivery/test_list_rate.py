"""Token buckets for each pair of list and client network."""

import pytest

from config.values import Rate
from gateway.delivery import list_rate
from gateway.delivery.list_rate import ListRates

LIST, OTHER = b"l" * 16, b"m" * 16


def test_a_burst_then_one_at_a_time_for_each_pair() -> None:
    now = 0.0
    rates = ListRates(Rate(60, 3), lambda: now)
    assert [rates.take(LIST, "192.0.2.1") for _ in range(5)] == [True] * 3 + [False] * 2
    assert rates.take(LIST, "192.0.2.2")
    assert rates.take(OTHER, "192.0.2.1")
    now = 1.0
    assert [rates.take(LIST, "192.0.2.1") for _ in range(2)] == [True, False]
    now = 1000.0
    assert [rates.take(LIST, "192.0.2.1") for _ in range(4)] == [True] * 3 + [False]


def test_networks_without_end_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_rate, "_MOST", 10)
    rates = ListRates(Rate(1, 2), lambda: 0.0)
    for number in range(1000):
        assert rates.take(LIST, str(number))
    assert len(rates._levels) == 10


def test_full_buckets_are_forgotten() -> None:
    now = 0.0
    rates = ListRates(Rate(60, 1), lambda: now)
    for number in range(100):
        rates.take(LIST, str(number))
    now = 60.0
    rates.take(LIST, "last")
    assert len(rates._levels) == 1
