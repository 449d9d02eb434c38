"""Settings of who signed in: name, password, sessions, zones; and the look of this browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from zoneinfo import available_timezones

from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console import cookie, looks, words
from admin_api.console.inside import ask, path_of
from admin_api.console.visit import Visit, surround
from admin_api.http.problems import Problem
from storage.errors import FieldFault, Invalid

_HERE = "/console/settings/"


async def show_settings(call: Call, visit: Visit, faults: Sequence[FieldFault] = ()) -> Response:
    """GET /console/settings/; `faults` are of a form that was refused."""
    await surround(call, visit, place=_HERE)
    zone = str(visit.own[0]["default_timezone"]) if visit.own else "UTC"
    return visit.render(
        "settings.html",
        block="settings",
        status=400 if faults else 200,
        sessions=await ask(call, "GET", "/v1/sessions/"),
        when=partial(words.moment, zone=zone, now=call.now),
        zones=_zones() if visit.own else (),
        may_rename=is_admin(call.caller),
        choices=looks.CHOICES,
        faults={fault.field: fault.message for fault in faults},
    )


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    return sorted(available_timezones())


async def change_zones(call: Call, visit: Visit) -> Response:
    """POST /console/settings/zones/: the time zone of each own inbox, by its id."""
    await surround(call, visit, place=_HERE)
    for inbox_id in (str(one["inbox_id"]) for one in visit.own):
        if inbox_id not in visit.form:
            continue
        body = {"default_timezone": visit.form[inbox_id]}
        try:
            await ask(call, "PATCH", path_of("/v1/inboxes/{}/", inbox_id), body=body)
        except Invalid as error:
            fault = FieldFault(inbox_id, error.faults[0].message)
            return await show_settings(call, visit, (fault,))
    return visit.redirect(_HERE)


async def change_name(call: Call, visit: Visit) -> Response:
    """POST /console/settings/name/: for owners and admins, as the API says."""
    body = {"name": visit.form.get("name", "")}
    try:
        await ask(call, "PATCH", path_of("/v1/users/{}/", visit.user_id), body=body)
    except Invalid as error:
        return await show_settings(call, visit, error.faults)
    return visit.redirect(_HERE)


async def change_password(call: Call, visit: Visit) -> Response:
    """POST /console/settings/password/: all other sessions end, and this one gets a new secret."""
    names = ("current_password", "new_password")
    body = {name: visit.form.get(name, "") for name in names}
    try:
        if visit.form.get("again", "") != body["new_password"]:
            raise Invalid(FieldFault("again", "is not the same"))
        await ask(call, "POST", "/auth/change-password/", body=body)
    except Invalid as error:
        return await show_settings(call, visit, error.faults)
    # Who copied the cookie loses it together with the old password.
    secret = await cookie.renew(call)
    visit.cookies.append(cookie.set_cookie(call.service.settings, call.request, secret))
    return visit.redirect(_HERE)


async def change_look(call: Call, visit: Visit) -> Response:
    """POST /console/settings/look/."""
    wanted = {
        name: visit.form[name] if visit.form.get(name) in choices else visit.look[name]
        for name, choices in looks.CHOICES.items()
    }
    visit.cookies.append(looks.look_cookie(wanted))
    return visit.redirect(_HERE)


async def end_session(call: Call, visit: Visit) -> Response:
    """POST /console/settings/sessions/end/."""
    session_id = visit.form.get("session_id", "")
    if not session_id:
        raise Problem(400, "invalid_fields", "Which session is to end?")
    await ask(call, "DELETE", path_of("/v1/sessions/{}/", session_id))
    return visit.redirect(_HERE)


async def end_other_sessions(call: Call, visit: Visit) -> Response:
    """POST /console/settings/sessions/end-others/."""
    await ask(call, "DELETE", "/v1/sessions/")
    return visit.redirect(_HERE)
