"""In front of the page: sign in with a password or a link, and sign out.

- All that can be wrong with a sign-in gets one sentence. `next` leads only to a page of ours.
- The GET of a link only shows a button: what scans links in mail cannot use one up.
- A form that was sent when the session had ended waits in that of the sign-in, and is shown then.
- By plain http from another machine nobody signs in, as the password could be read on the way.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console import cookie, forms, looks, origin, words
from admin_api.console.visit import Visit
from admin_api.http.problems import Problem

_NEXT = re.compile(r"/console/[!#-\[\]-~]*")
_HOME = "/console/"
# The form for whoever was signed in when the page came.
UNTRIED: dict[str, Any] = {"email": "", "wrong": "", "is_safe": True, "has_users": True}


async def show_sign_in(
    call: Call, visit: Visit, *, email: str = "", wrong: str = "", status: int = 200
) -> Response:
    """GET /console/sign-in/; after a try that failed with what was `wrong`."""
    given = visit.form or visit.query
    return visit.render(
        "sign_in.html",
        block="form",
        status=status,
        next=safe_next(given.get("next", "")),
        email=email,
        wrong=wrong,
        again=forms.kept(visit.form),
        is_safe=_is_safe(call),
        has_users=await cookie.has_users(call),
    )


def safe_next(place: str) -> str:
    """Return the path to go on to: one of the page, else its beginning."""
    # "/console/../" and "//host" lead elsewhere: to a page that only looks like ours.
    fits = _NEXT.fullmatch(place) and ".." not in place and "//" not in place.partition("?")[0]
    return place if fits and not place.startswith("/console/sign-") else _HOME


def _is_safe(call: Call) -> bool:
    return origin.is_safe_place(call.service.settings, call.request.headers.get("host"))


def _require_safe(call: Call) -> None:
    if not _is_safe(call):
        raise Problem(403, "insecure", "A password may be read on the way here: use https.")


async def sign_in(call: Call, visit: Visit) -> Response:
    """POST /console/sign-in/."""
    _require_safe(call)
    email = visit.form.get("email", "")
    try:
        secret = await cookie.enter_by_password(call, email, visit.form.get("password", ""))
    except Problem as problem:
        if problem.status not in (401, 429):
            raise
        seconds, wrong = problem.headers.get("Retry-After", ""), problem.detail
        if seconds:
            wrong = f"Too many tries. Try again in {words.plural(int(seconds), 'second')}."
        given = {"email": email[:320], "wrong": wrong}
        response = await show_sign_in(call, visit, **given, status=problem.status)
        response.headers.update({"Retry-After": seconds} if seconds else {})
        return response
    return _entered(call, visit, secret)


def _entered(call: Call, visit: Visit, secret: str) -> Response:
    visit.cookies.append(cookie.set_cookie(call.service.settings, call.request, secret))
    place, again = safe_next(visit.form.get("next", "")), forms.kept(visit.form)
    if again is None or safe_next(again["path"]) != again["path"]:
        return visit.redirect(place)
    visit.token, visit.place = cookie.token_for(secret), place
    problem = Problem(200, "not_sent", "You are signed in. What you wrote was not sent yet.")
    return visit.render("problem.html", problem=problem, again=again, form_path=place)


async def show_link(call: Call, visit: Visit) -> Response:
    """GET /console/enter/."""
    code = visit.query.get("code", "")
    user = await cookie.user_of_code(call, code)
    return visit.render("enter.html", email=user.email, code=code, is_safe=_is_safe(call))


async def use_link(call: Call, visit: Visit) -> Response:
    """POST /console/enter/."""
    _require_safe(call)
    return _entered(call, visit, await cookie.enter_by_code(call, visit.form.get("code", "")))


async def sign_out(call: Call, visit: Visit) -> Response:
    """POST /console/sign-out/: drafts in this browser go, too."""
    await cookie.end_session(call)
    visit.cookies.append(cookie.set_cookie(call.service.settings, call.request, ""))
    visit.cookies.append(f"{looks.OF_SENDERS}=; Path=/console/; Max-Age=0")
    response = visit.redirect("/console/sign-in/")
    # Drafts must not wait in the browser for the next person who uses it.
    response.headers["Clear-Site-Data"] = '"storage"'
    return response
