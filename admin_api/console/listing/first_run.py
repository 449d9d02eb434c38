"""The first steps: an inbox without mail tells its addresses, and sends itself a test mail.

The card is there while the inbox is empty, then while the test mail is all there is and not yet
assigned and noted. It says what is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.http.records import ReadRecord as Record
from admin_api.service.trial_mail import AUTHOR


def first_steps(here: Record, threads: Sequence[Record], server: str) -> Record | None:
    """Return what the card shows, None where there is none; `server` is where mail is taken."""
    came = [one for one in threads if (one["last_from"] or {}).get("email") == AUTHOR]
    if len(threads) > len(came) or len(came) > 1:
        return None
    is_assigned = bool(came and came[0]["assignee"])
    if is_assigned and came[0]["note_count"]:
        return None
    return {
        "addresses": addresses_of(here),
        "server": server,
        "has_come": bool(came),
        "is_assigned": is_assigned,
    }


def addresses_of(here: Record) -> list[str]:
    """Return the addresses of an inbox, lists first: a list is what a team tries."""
    return [*(one["address"] for one in here["aliases"]), here["address"]]
