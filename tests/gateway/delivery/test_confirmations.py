"""Confirmations of deliveries that two sessions hold: a message and its retry."""

from __future__ import annotations

import asyncio

import pytest

from gateway.delivery.confirmations import Confirmations

TWICE = [b"receipt"]


@pytest.fixture
def held_twice() -> Confirmations:
    confirmations = Confirmations()
    confirmations.open(TWICE, b"tenant")
    confirmations.open(TWICE, b"tenant")
    return confirmations


def test_one_session_confirms_what_the_other_has_closed(held_twice: Confirmations) -> None:
    held_twice.close(TWICE)
    held_twice.confirm(TWICE)

    assert held_twice.confirmed_in() == {b"tenant"}
    assert held_twice.take_confirmed(b"other") == []
    assert held_twice.take_confirmed(b"tenant") == TWICE


async def test_who_waits_hears_of_either_session() -> None:
    confirmations = Confirmations()
    confirmations.open(TWICE, b"tenant")
    waiting = asyncio.create_task(confirmations.wait(TWICE[0], 20))
    await asyncio.sleep(0)

    confirmations.open(TWICE, b"tenant")
    confirmations.confirm(TWICE)

    assert await asyncio.wait_for(waiting, 5)


def test_what_no_session_holds_is_not_confirmed() -> None:
    confirmations = Confirmations()
    confirmations.confirm(TWICE)

    assert not confirmations.is_open(TWICE[0])
    assert confirmations.confirmed_in() == set()


def test_partitions_of_shared_deliveries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.delivery.confirmations._MOST_SHARED", 2)
    confirmations = Confirmations()
    digests = [b"1", b"2", b"3"]
    for _ in range(2):
        confirmations.open(digests, b"tenant")
    confirmations.close(digests)
    confirmations.confirm(digests)

    assert confirmations.take_confirmed(b"tenant") == [b"2", b"3"]
