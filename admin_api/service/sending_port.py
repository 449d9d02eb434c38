"""The port to the sending job: whether letters leave from here, and how it hears of new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storage.outbound.domain_smarthosts import Via


def _nothing() -> None:
    return None


def _no() -> bool:
    return False


def _unsaid(via: Via) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class SendingPort:
    """`is_on` tells whether there is a smarthost, of the settings or of a domain. `wake` tells the
    job that a letter may be due; `paused` returns why a smarthost refuses our sign-in, None where
    none does; `largest` the most octets that a smarthost takes, None before it said so.
    """

    is_on: Callable[[], bool] = _no
    wake: Callable[[], None] = _nothing
    paused: Callable[[], str | None] = _nothing
    largest: Callable[[Via], int | None] = _unsaid
