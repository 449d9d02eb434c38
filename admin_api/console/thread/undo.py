"""The act that was just done, for the next page to tell of, with the act that undoes it.

It waits in a cookie for a minute, is shown once, and is nowhere else. Too long for a cookie, it is
told by the answer to its form. It holds the name of an act and its fields; the act itself is a form
like any other, with the token of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from admin_api.call.call import Call
from admin_api.console.visit import Visit

COOKIE = "postroom-done"
ACTS = frozenset(("assign", "unassign", "status", "tasks", "acts", "again", "unsend"))
_MOST = 3500
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Done:
    """An act of the last page: what to say, and the `act` that undoes it with its `fields`.

    `thread` is the id of its thread; `saved` the key of the form that is done with.
    """

    text: str
    thread: str = ""
    act: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    saved: str = ""


def tell(call: Call, visit: Visit, done: Done) -> bool:
    """Have the next page tell of an act; False: it is too long, and for this answer to tell of."""
    # Browsers drop a cookie over 4 KiB without a word.
    is_short = len(_written(done)) <= _MOST
    if is_short:
        visit.cookies.append(done_cookie(done, secure=_is_secure(call)))
    return is_short


def take_done(call: Call, visit: Visit) -> Done | None:
    """Return the act that this page tells of: the next one does not.

    The answer to a refused form, and what a script asks for, tell nothing and leave it to a page.
    """
    request = call.request
    is_page = request.method == "GET" and request.headers.get("sec-fetch-dest") != "empty"
    if visit.fragment or not is_page or COOKIE not in request.cookies:
        return None
    visit.cookies.append(done_cookie(None, secure=_is_secure(call)))
    return read_done(request.cookies[COOKIE])


def _is_secure(call: Call) -> bool:
    """Whether browsers come by https."""
    return call.service.settings.public_url.startswith("https:")


def done_cookie(done: Done | None, *, secure: bool) -> str:
    """Build the Set-Cookie header; without an act it removes the cookie."""
    value = "" if done is None else _written(done)
    age = _SECONDS if value else 0
    return (
        f"{COOKIE}={value}; Path=/console/; Max-Age={age}; HttpOnly; SameSite=Strict"
        f"{'; Secure' if secure else ''}"
    )


def _written(done: Done) -> str:
    named = {"text": done.text, "thread": done.thread, "act": done.act, "saved": done.saved}
    return urlencode(named | {f"f.{name}": text for name, text in done.fields.items()})


def read_done(value: str) -> Done | None:
    """Return the act in a cookie's value; None where there is none."""
    given = dict(parse_qsl(value[: 2 * _MOST]))
    # The act becomes part of the form's path: a cookie must not choose any other page.
    if "text" not in given or given.get("act", "") not in ACTS | {""}:
        return None
    return Done(
        given["text"],
        given.get("thread", ""),
        given.get("act", ""),
        {name[2:]: text for name, text in given.items() if name.startswith("f.")},
        given.get("saved", ""),
    )
