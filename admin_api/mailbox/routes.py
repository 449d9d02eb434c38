"""Routes of messages, attachments and waiting for mail: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    CHANGE_MAIL,
    READ_MAIL,
)
from admin_api.call.router import Route
from admin_api.mailbox import attachments, filters, messages, wait

_MESSAGE = "/v1/messages/{message_id}/"

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/messages/",
        messages.list_messages,
        READ_MAIL,
        parameters=filters.Listing,
    ),
    Route(
        "PATCH",
        "/v1/messages/",
        messages.change_messages,
        CHANGE_MAIL,
        payload=messages.CopiesChange,
    ),
    Route(
        "GET",
        _MESSAGE,
        messages.show_message,
        READ_MAIL,
        locate=messages.locate,
        version=messages.locate,
    ),
    Route(
        "PATCH",
        _MESSAGE,
        messages.change_message,
        CHANGE_MAIL,
        payload=messages.CopyChange,
        locate=messages.locate,
    ),
    Route("DELETE", _MESSAGE, messages.delete_message, CHANGE_MAIL, locate=messages.locate),
    Route(
        "GET",
        _MESSAGE + "raw/",
        messages.show_raw,
        READ_MAIL,
        parameters=messages.Raw,
        locate=messages.locate,
    ),
    Route(
        "GET",
        _MESSAGE + "attachments/{attachment_id}/",
        attachments.show_attachment,
        READ_MAIL,
        locate=attachments.locate,
        version=attachments.locate,
    ),
    Route(
        "GET",
        "/v1/messages/wait/",
        wait.wait_for_message,
        READ_MAIL,
        parameters=wait.Expected,
    ),
)
