"""The result of a webhook call: the answer of the endpoint, or why none came."""

from __future__ import annotations

from dataclasses import dataclass

_GONE = 410


class NotCalled(Exception):
    """This machine could not make the call now; that tells nothing about the endpoint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call: the status, if there was one, and the fault, None for a success.

    `wait` is the pause that the endpoint asks for, in microseconds.
    """

    status: int | None
    error: str | None
    wait: int = 0

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants no more calls, ever."""
        return self.status == _GONE
