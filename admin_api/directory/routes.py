"""Routes of domains, inboxes, lists and delivery reports: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    ADMIN,
    CHANGE_INBOX,
    CHANGE_LISTS,
    COUNT_MAIL,
    READ_LISTS,
    READ_MAIL,
    SIGNED_IN,
)
from admin_api.call.paging import Page
from admin_api.call.router import Route
from admin_api.directory import counts, delivery_reports, distribution_lists, domains, inboxes

_DOMAINS = "/v1/domains/"
_DOMAIN = _DOMAINS + "{name}/"
_INBOXES = "/v1/inboxes/"
_INBOX = _INBOXES + "{inbox_id}/"
_LISTS = "/v1/distribution-lists/"
_LIST = _LISTS + "{list_id}/"
_MEMBERS = _LIST + "members/"
_MESSAGE = "/v1/messages/{message_id}/"

ROUTES: tuple[Route, ...] = (
    Route("GET", _DOMAINS, domains.list_domains, ADMIN, parameters=Page),
    Route("POST", _DOMAINS, domains.add_domain, ADMIN, payload=domains.DomainIn),
    Route("GET", _DOMAIN, domains.show_domain, ADMIN, locate=domains.locate),
    Route("DELETE", _DOMAIN, domains.delete_domain, ADMIN, locate=domains.locate),
    Route("GET", _DOMAIN + "check/", domains.check_domain, ADMIN, locate=domains.locate),
    Route(
        "POST", _DOMAIN + "verify/", domains.verify_domain, ADMIN, locate=domains.locate, waits=True
    ),
    Route(
        "GET",
        _INBOXES,
        inboxes.list_inboxes,
        SIGNED_IN,
        parameters=inboxes.Listing,
        permit=inboxes.permit_deleted,
    ),
    Route("POST", _INBOXES, inboxes.create_inbox, ADMIN, payload=inboxes.InboxIn),
    Route("GET", _INBOX + "counts/", counts.show_counts, COUNT_MAIL, locate=counts.locate),
    Route("GET", _INBOX, inboxes.show_inbox, SIGNED_IN, locate=inboxes.locate),
    Route(
        "PATCH",
        _INBOX,
        inboxes.change_inbox,
        CHANGE_INBOX,
        payload=inboxes.InboxChange,
        permit=inboxes.permit_change,
        locate=inboxes.locate_to_set,
    ),
    Route("DELETE", _INBOX, inboxes.delete_inbox, ADMIN, locate=inboxes.locate),
    Route(
        "POST", _INBOX + "restore/", inboxes.restore_inbox, ADMIN, locate=inboxes.locate_to_restore
    ),
    Route(
        "POST",
        _INBOX + "webhook-secret/",
        inboxes.renew_secret,
        CHANGE_INBOX,
        locate=inboxes.locate_to_change,
    ),
    Route("GET", _LISTS, distribution_lists.list_lists, READ_LISTS, parameters=Page),
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
        distribution_lists.change_list,
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
        parameters=Page,
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
        _MESSAGE + "deliveries/",
        delivery_reports.show_deliveries,
        READ_MAIL,
        locate=delivery_reports.locate,
    ),
    Route(
        "GET", "/v1/resolve/", delivery_reports.show_route, ADMIN, parameters=delivery_reports.Asked
    ),
)
