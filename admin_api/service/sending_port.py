"""The port to the sending job: whether letters leave from here, and how it hears of new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class SendingPort:
    """`is_on`: a smarthost is configured. `wake` tells the job that a letter may be due; `paused`
    returns why the smarthost refuses our sign-in, None where it does not.
    """

    is_on: bool = False
    wake: Callable[[], None] = _nothing
    paused: Callable[[], str | None] = _nothing
