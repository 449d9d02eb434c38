"""Routes of letters: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import SEND_MAIL
from admin_api.call.router import Route
from admin_api.drafts import drafts
from admin_api.outbound import letters, taking_back
from admin_api.outbound.letter_in import LetterIn

_MESSAGE = "/v1/messages/{message_id}/"

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/messages/",
        letters.send_letter,
        SEND_MAIL,
        payload=LetterIn,
        unchanged=drafts.require_sent_draft_unchanged,
        waits=True,
    ),
    Route(
        "POST",
        _MESSAGE + "cancel/",
        taking_back.cancel_letter,
        SEND_MAIL,
        locate=taking_back.locate,
    ),
    Route(
        "POST",
        _MESSAGE + "retry/",
        taking_back.retry_letter,
        SEND_MAIL,
        locate=taking_back.locate,
    ),
)
