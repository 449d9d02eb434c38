"""How somebody wants the page to look and act: kept in a cookie of this browser, nowhere else.

- Theme, single keys, density of lists, the view that an inbox opens with, desktop notifications.
- A value of the cookie that is none of ours counts as left out.
- In a cookie of its own: of the newest 60 senders whether their letters open as text or as HTML.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from starlette.requests import Request

COOKIE = "postroom-look"
CHOICES: Mapping[str, tuple[str, ...]] = {
    "theme": ("auto", "light", "dark"),
    "keys": ("on", "off"),
    "density": ("normal", "compact"),
    "view": ("inbox", "unread", "mine", "unassigned"),
    "notify": ("off", "on"),
}
_YEAR = 365 * 24 * 3600
OF_SENDERS = "postroom-views"
VIEWS = ("text", "html")
_VIEW = re.compile(r"\b(text|html)-([0-9a-f]{8})\b", re.ASCII)
_MOST_SENDERS = 60


def look_of(request: Request) -> Mapping[str, str]:
    """Return the choices of this browser; the first one of each where there is none."""
    given = dict(pair.partition("-")[::2] for pair in request.cookies.get(COOKIE, "").split("."))
    # Checked, because a cookie is input, and the values stand in the page's attributes.
    return {
        name: given[name] if given.get(name) in choices else choices[0]
        for name, choices in CHOICES.items()
    }


def look_cookie(look: Mapping[str, str]) -> str:
    """Build the Set-Cookie header that remembers these choices."""
    text = ".".join(f"{name}-{look[name]}" for name in CHOICES)
    return f"{COOKIE}={text}; Path=/console/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"


def view_of(request: Request, sender: str) -> str:
    """Return the view that letters of a sender open with; empty where none was chosen."""
    return _views(request).get(_name(sender), "")


def view_cookie(request: Request, sender: str, view: str) -> str:
    """Build the Set-Cookie header that remembers the view of a sender."""
    newest = {_name(sender): view}
    kept = [*(newest | _views(request) | newest).items()][:_MOST_SENDERS]
    text = ".".join(f"{view}-{name}" for name, view in kept)
    return f"{OF_SENDERS}={text}; Path=/console/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"


def _views(request: Request) -> dict[str, str]:
    return {name: view for view, name in _VIEW.findall(request.cookies.get(OF_SENDERS, ""))}


def _name(sender: str) -> str:
    return f"{zlib.crc32(sender.lower().encode()):08x}"
