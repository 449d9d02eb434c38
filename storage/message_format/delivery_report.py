"""A delivery status notification as a value: what another server says became of a letter.

RFC 3464 2.2 (fields of the message), 2.3 (fields of each recipient), RFC 3461 4 (xtext).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

MOST_REPORTED = 50
LONGEST_FIELD = 500
_XTEXT = re.compile(r"\+([0-9A-F]{2})")

ReportedState = Literal["bounced", "delayed", "delivered"]


class ReportedRecipient(NamedTuple):
    """One recipient of a report. Addresses without their type, `action` and `status` in lower case;
    all empty where the field is not there.
    """

    original: str
    final: str
    action: str
    status: str
    diagnostic: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses it may mean, likeliest first: not all servers decode xtext."""
        given = [one for one in (self.original, self.final) if one]
        decoded = [_XTEXT.sub(lambda found: chr(int(found[1], 16)), one) for one in given]
        return tuple(dict.fromkeys([*given, *decoded]))

    @property
    def state(self) -> ReportedState | None:
        """The state by its action, else by the class of its status; None where it says neither.

        `relayed` and `expanded` say only that another server has it.
        """
        by_action: dict[str, ReportedState] = {
            "failed": "bounced",
            "delayed": "delayed",
            "delivered": "delivered",
        }
        by_class: dict[str, ReportedState] = {"5": "bounced", "4": "delayed", "2": "delivered"}
        if self.action:
            return by_action.get(self.action)
        return by_class.get(self.status[:1])


class DeliveryReport(NamedTuple):
    """A report: the envelope id it names, or nothing, and its recipients."""

    envelope_id: str
    recipients: tuple[ReportedRecipient, ...]
