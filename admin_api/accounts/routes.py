"""Routes of sign-in, users, tokens and the audit log: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    ADMIN,
    PUBLIC,
    SESSION,
    SIGNED_IN,
)
from admin_api.accounts import audit_log, sessions, sign_in, tokens, users
from admin_api.call.paging import Page
from admin_api.call.router import Route, of_tenant

_USERS = "/v1/users/"
_USER = _USERS + "{user_id}/"
_SESSIONS = "/v1/sessions/"
_TOKEN = "/v1/tokens/{token_id}/"

ROUTES: tuple[Route, ...] = (
    Route("POST", "/auth/login/", sign_in.login, PUBLIC, payload=sign_in.LoginIn),
    Route(
        "POST",
        "/auth/change-password/",
        sign_in.change_password,
        SESSION,
        payload=sign_in.PasswordChange,
    ),
    Route("GET", "/v1/me/", sign_in.me, SIGNED_IN),
    Route("GET", "/v1/audit-log/", audit_log.list_entries, ADMIN, parameters=audit_log.Listing),
    Route("GET", _USERS, users.list_users, ADMIN, parameters=Page),
    Route(
        "POST",
        _USERS,
        users.create_user,
        ADMIN,
        payload=users.UserIn,
        permit=users.permit_role,
        waits=True,
    ),
    Route("GET", _USER, users.show_user, ADMIN, locate=users.locate),
    Route(
        "PATCH",
        _USER,
        users.change_user,
        ADMIN,
        payload=users.UserChange,
        permit=users.permit_role,
        locate=users.locate_to_change,
    ),
    Route("DELETE", _USER, users.delete_user, ADMIN, locate=users.locate_to_change),
    # Sessions and tokens are rows of one tenant, and mail finds its way without them. Users are not
    # here: an e-mail address is of one user in the whole store, and an owner is a postmaster.
    *of_tenant(
        (
            Route("POST", "/auth/logout/", sign_in.logout, SESSION),
            Route("GET", _SESSIONS, sessions.list_sessions, SESSION, parameters=Page),
            Route("DELETE", _SESSIONS, sessions.end_other_sessions, SESSION),
            Route(
                "DELETE",
                _SESSIONS + "{session_id}/",
                sessions.end_session,
                SESSION,
                locate=sessions.locate,
            ),
            Route("GET", "/v1/tokens/", tokens.list_tokens, SESSION, parameters=Page),
            Route("POST", "/v1/tokens/", tokens.create_token, SESSION, payload=tokens.TokenIn),
            Route(
                "PATCH",
                _TOKEN,
                tokens.change_token,
                SESSION,
                payload=tokens.TokenChange,
                locate=tokens.locate,
            ),
            Route("DELETE", _TOKEN, tokens.delete_token, SESSION, locate=tokens.locate),
        )
    ),
)
