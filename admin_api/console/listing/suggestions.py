"""The offers of the search box for the word that is being typed: operators, then names.

Of each kind at most five. An offer is what the word becomes, and words that tell what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from admin_api.http.records import ReadRecord as Record

Offer = tuple[str, str]
MOST = 5
OPERATORS: tuple[Offer, ...] = (
    ("is:unread", "not read yet"),
    ("is:read", "read"),
    ("is:flagged", "flagged"),
    ("is:open", "threads that are open"),
    ("is:closed", "threads that are closed"),
    ("in:inbox", "in the inbox"),
    ("in:archive", "archived"),
    ("in:junk", "in junk"),
    ("in:trash", "in the trash"),
    ("assigned:me", "assigned to me"),
    ("assigned:none", "assigned to nobody"),
    ("has:attachment", "with files"),
    ("from:", "sender: an address or a name"),
    ("to:", "recipient: an address or a name"),
    ("subject:", "words of the subject"),
    ("list:", "came by a list"),
    ("after:", "received from a day on: 2026-01-31"),
    ("before:", "received before a day: 2026-03-01"),
)
# The operators that take an address, and of whom.
_OF_TEAM = ("assigned", "from", "to")
_OF_CARDS = ("from", "to")


def person_asked(word: str) -> str | None:
    """Return the text to look for in the address book; None where no card can be meant."""
    key, text = _parts(word)
    return text if len(text) > 1 and key in ("", *_OF_CARDS) else None


def offers(
    word: str, *, team: Sequence[Record], lists: Sequence[Record], cards: Iterable[Record]
) -> list[Offer]:
    """Return what to offer for `word`, the end of what was typed."""
    key, text = _parts(word)
    lower = word.lower()
    found = [one for one in OPERATORS if one[0].startswith(lower) and one[0] != lower][:MOST]
    if not word:
        return found
    if key in ("", *_OF_TEAM) and text:
        found += [
            (f"{key or 'from'}:{one['address']}", one["display_name"])
            for one in team
            if _fits(text, one["address"], one["display_name"])
        ][:MOST]
    if key in ("", "list") and (text or key):
        found += [
            (f"list:{one['address']}", "mail by this list")
            for one in lists
            if _fits(text, one["address"], "")
        ][:MOST]
    if person_asked(word) is not None:
        addresses = [
            (f"{key or 'from'}:{mail['address']}", one["full_name"] or "")
            for one in cards
            for mail in one["emails"]
        ]
        found += [one for one in addresses if one[0] not in {each[0] for each in found}][:MOST]
    return found


def _parts(word: str) -> tuple[str, str]:
    """The operator of a word, or none, and what comes after it."""
    key, colon, text = word.partition(":")
    if colon and f"{key.lower()}:" in ("from:", "to:", "list:", "assigned:"):
        return key.lower(), text
    return "", word


def _fits(text: str, address: str, name: str) -> bool:
    lower = text.lower()
    return address.lower().startswith(lower) or any(
        part.startswith(lower) for part in name.lower().split()
    )
