"""Routes of cards, shares, relationships and activity: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    CHANGE_CONTACTS,
    CHANGE_SHARES,
    READ_CONTACTS,
    READ_CONTEXT,
    READ_SHARES,
)
from admin_api.call.router import Route, Shown
from admin_api.contacts import activity, contacts, relationships, shares, vcards

_CONTACTS = "/v1/contacts/"
_CONTACT = _CONTACTS + "{contact_id}/"
_SHARES = _CONTACTS + "shares/"
_SHARE = _SHARES + "{share_id}/"
_RELATIONSHIPS = "/v1/relationships/"

_CARD = Shown("id", "contact_id", contacts.show_contact)
_RECEIVED = Shown("share_id", "share_id", shares.show_received)

ROUTES: tuple[Route, ...] = (
    Route("GET", _CONTACTS, contacts.list_contacts, READ_CONTACTS, parameters=contacts.Listing),
    Route(
        "POST",
        _CONTACTS,
        contacts.create_contact,
        CHANGE_CONTACTS,
        payload=contacts.ContactIn,
        shown=_CARD,
    ),
    Route("GET", _CONTACT, contacts.show_contact, READ_CONTACTS, locate=contacts.locate),
    Route(
        "PATCH",
        _CONTACT,
        contacts.change_contact,
        CHANGE_CONTACTS,
        payload=contacts.ContactChange,
        locate=contacts.locate,
    ),
    Route("DELETE", _CONTACT, contacts.delete_contact, CHANGE_CONTACTS, locate=contacts.locate),
    Route(
        "POST",
        _CONTACT + "merge/",
        contacts.merge_contacts,
        CHANGE_CONTACTS,
        payload=contacts.MergeIn,
        locate=contacts.locate,
        shown=_CARD,
    ),
    Route(
        "POST",
        _CONTACT + "unmerge/",
        contacts.unmerge_contact,
        CHANGE_CONTACTS,
        locate=contacts.locate,
        shown=_CARD,
    ),
    Route(
        "POST",
        _CONTACT + "handoff/",
        contacts.hand_contact_over,
        CHANGE_SHARES,
        payload=contacts.ContactHandoffIn,
        locate=contacts.locate,
        shown=_CARD,
    ),
    Route(
        "GET",
        _CONTACT + "vcard/",
        vcards.show_vcard,
        READ_CONTACTS,
        parameters=vcards.Export,
        locate=contacts.locate,
    ),
    Route(
        "GET",
        _CONTACTS + "export/",
        vcards.export_contacts,
        READ_CONTACTS,
        parameters=vcards.Export,
    ),
    Route(
        "POST",
        _CONTACTS + "import/",
        vcards.import_contacts,
        CHANGE_CONTACTS,
        waits=True,
        takes_file=vcards.MEDIA_TYPES,
        admit=vcards.admit_import,
    ),
    Route("GET", _SHARES, shares.list_shares, READ_SHARES, parameters=shares.Listing),
    Route(
        "POST",
        _SHARES,
        shares.create_share,
        CHANGE_SHARES,
        payload=shares.ShareIn,
        shown=Shown("share_id", "share_id", shares.show_sent),
    ),
    Route("DELETE", _SHARE, shares.withdraw_share, CHANGE_SHARES, locate=shares.locate_outgoing),
    Route(
        "POST",
        _SHARE + "accept/",
        shares.accept_share,
        CHANGE_SHARES,
        locate=shares.locate_incoming,
        shown=_RECEIVED,
    ),
    Route(
        "POST",
        _SHARE + "decline/",
        shares.decline_share,
        CHANGE_SHARES,
        locate=shares.locate_incoming,
        shown=_RECEIVED,
    ),
    Route(
        "GET", "/v1/activity/", activity.list_activity, READ_CONTEXT, parameters=activity.Listing
    ),
    Route(
        "GET",
        _RELATIONSHIPS,
        relationships.list_relationships,
        READ_CONTEXT,
        parameters=relationships.Listing,
    ),
    Route(
        "GET",
        _RELATIONSHIPS + "graph/",
        relationships.show_graph,
        READ_CONTEXT,
        parameters=relationships.Picture,
    ),
    Route(
        "GET",
        _RELATIONSHIPS + "{address}/",
        relationships.show_relationship,
        READ_CONTEXT,
        locate=relationships.locate,
    ),
)
