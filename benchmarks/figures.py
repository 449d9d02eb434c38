"""A single measured number with the limit it should stay under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` in `unit`; `at_most` is the promise, None where there is none; `note` says more."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    note: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the promise, if there is one, is kept."""
        return self.at_most is None or self.value <= self.at_most
