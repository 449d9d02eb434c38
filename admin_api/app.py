"""The HTTP API: one route table, and the application around it.

What has a lifetime (the store, the content directory) is made elsewhere and handed in.
"""

from __future__ import annotations

import asyncio
import time

from starlette.applications import Starlette

from admin_api import (
    distribution_lists,
    domains,
    health,
    inboxes,
    messages,
    sign_in,
    tokens,
    users,
)
from admin_api.call import Service
from admin_api.dispatch import Dispatcher
from admin_api.limits import Buckets, Ticks
from admin_api.policy import (
    ADMIN,
    CHANGE_INBOX,
    CHANGE_LISTS,
    CHANGE_MAIL,
    PUBLIC,
    READ_LISTS,
    READ_MAIL,
    SESSION,
    SIGNED_IN,
)
from admin_api.routing import Route, Router
from config.settings import Settings
from storage.clock import Clock
from storage.content import ContentDirectory
from storage.database import Database

_PASSWORDS_AT_ONCE = 1  # each takes 46 MiB for some 30 ms

_USERS = "/v1/users/"
_USER = _USERS + "{user_id}/"
_DOMAINS = "/v1/domains/"
_DOMAIN = _DOMAINS + "{name}/"
_INBOXES = "/v1/inboxes/"
_INBOX = _INBOXES + "{inbox_id}/"
_TOKEN = "/v1/tokens/{token_id}/"
_LISTS = "/v1/distribution-lists/"
_LIST = _LISTS + "{list_id}/"
_MEMBERS = _LIST + "members/"
_MESSAGE = "/v1/messages/{message_id}/"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", health.healthz, PUBLIC),
    Route("GET", "/readyz", health.readyz, PUBLIC),
    Route("POST", "/auth/login/", sign_in.login, PUBLIC, payload=sign_in.LoginIn),
    Route("POST", "/auth/logout/", sign_in.logout, SESSION),
    Route(
        "POST",
        "/auth/change-password/",
        sign_in.change_password,
        SESSION,
        payload=sign_in.PasswordChange,
    ),
    Route("GET", "/v1/me/", sign_in.me, SIGNED_IN),
    Route("GET", _USERS, users.list_users, ADMIN),
    Route("POST", _USERS, users.create_user, ADMIN, payload=users.UserIn),
    Route("GET", _USER, users.show_user, ADMIN, locate=users.locate),
    Route(
        "PATCH",
        _USER,
        users.change_user,
        ADMIN,
        payload=users.UserChange,
        locate=users.locate_to_change,
    ),
    Route("DELETE", _USER, users.delete_user, ADMIN, locate=users.locate_to_change),
    Route("GET", _DOMAINS, domains.list_domains, ADMIN),
    Route("POST", _DOMAINS, domains.add_domain, ADMIN, payload=domains.DomainIn),
    Route("GET", _DOMAIN, domains.show_domain, ADMIN, locate=domains.locate),
    Route("DELETE", _DOMAIN, domains.delete_domain, ADMIN, locate=domains.locate),
    Route("GET", _DOMAIN + "check/", domains.check_domain, ADMIN, locate=domains.locate),
    Route("POST", _DOMAIN + "verify/", domains.verify_domain, ADMIN, locate=domains.locate),
    Route("GET", _INBOXES, inboxes.list_inboxes, SIGNED_IN),
    Route("POST", _INBOXES, inboxes.create_inbox, ADMIN, payload=inboxes.InboxIn),
    Route("GET", _INBOX, inboxes.show_inbox, SIGNED_IN, locate=inboxes.locate),
    Route(
        "PATCH",
        _INBOX,
        inboxes.change_inbox,
        CHANGE_INBOX,
        payload=inboxes.InboxChange,
        locate=inboxes.locate_to_change,
    ),
    Route("DELETE", _INBOX, inboxes.delete_inbox, ADMIN, locate=inboxes.locate),
    Route(
        "POST", _INBOX + "restore/", inboxes.restore_inbox, ADMIN, locate=inboxes.locate_to_restore
    ),
    Route("GET", "/v1/tokens/", tokens.list_tokens, SESSION),
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
    Route("GET", _LISTS, distribution_lists.list_lists, READ_LISTS),
    Route(
        "POST",
        _LISTS,
        distribution_lists.create_list,
        CHANGE_LISTS,
        payload=distribution_lists.ListIn,
    ),
    Route("GET", _LIST, distribution_lists.show_list, READ_LISTS, locate=distribution_lists.locate),
    Route(
        "PATCH",
        _LIST,
        distribution_lists.rename_list,
        CHANGE_LISTS,
        payload=distribution_lists.ListChange,
        locate=distribution_lists.locate,
    ),
    Route(
        "DELETE",
        _LIST,
        distribution_lists.delete_list,
        CHANGE_LISTS,
        locate=distribution_lists.locate,
    ),
    Route(
        "GET",
        _MEMBERS,
        distribution_lists.list_members,
        READ_LISTS,
        locate=distribution_lists.locate,
    ),
    Route(
        "POST",
        _MEMBERS,
        distribution_lists.add_member,
        CHANGE_LISTS,
        payload=distribution_lists.MemberIn,
        locate=distribution_lists.locate,
    ),
    Route(
        "DELETE",
        _MEMBERS + "{inbox_id}/",
        distribution_lists.remove_member,
        CHANGE_LISTS,
        locate=distribution_lists.locate,
    ),
    Route(
        "GET",
        "/v1/messages/",
        messages.list_messages,
        READ_MAIL,
        parameters=messages.Listing,
    ),
    Route("GET", _MESSAGE, messages.show_message, READ_MAIL, locate=messages.locate),
    Route(
        "PATCH",
        _MESSAGE,
        messages.change_message,
        CHANGE_MAIL,
        payload=messages.CopyChange,
        locate=messages.locate,
    ),
    Route("DELETE", _MESSAGE, messages.delete_message, CHANGE_MAIL, locate=messages.locate),
    Route("GET", _MESSAGE + "raw/", messages.show_raw, READ_MAIL, locate=messages.locate),
)


def create_app(
    *,
    database: Database,
    content: ContentDirectory,
    settings: Settings,
    clock: Clock,
    ticks: Ticks = time.monotonic,
) -> Starlette:
    """The ASGI application. `ticks` are the seconds by which limits refill; they never jump."""
    service = Service(
        database=database,
        content=content,
        settings=settings,
        clock=clock,
        calls=Buckets(
            per_minute=settings.api_rate_per_minute, burst=settings.api_burst, ticks=ticks
        ),
        logins=Buckets(
            per_minute=settings.login_rate_per_minute,
            burst=settings.login_rate_per_minute,
            ticks=ticks,
        ),
        password_turns=asyncio.Semaphore(_PASSWORDS_AT_ONCE),
    )
    app = Starlette()
    # Starlette's own routes match decoded paths and answer in plain text; ours do neither.
    app.router.default = Dispatcher(Router(ROUTES), service)
    return app
