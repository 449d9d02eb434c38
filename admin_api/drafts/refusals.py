"""The answers to a token that may not send a letter."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.http.problems import Problem
from storage.drafts.token_limits import Refusal
from storage.errors import FieldFault

CODES_403 = ("recipient_not_allowed",)
CODES_409 = ("no_reply_wanted",)
CODES_429 = ("send_rate", "thread_budget")

_DETAILS = {
    "recipient_not_allowed": "This token may not write to one of the recipients.",
    "no_reply_wanted": "The message is automatic, or its sender reads no answers.",
    "send_rate": "This token has sent as many letters as it may in an hour.",
    "thread_budget": "Tokens have sent five letters in this thread without a person between them.",
}


def problem_of_refusal(refusal: Refusal, fields: Sequence[str]) -> Problem:
    """Build the refusal; `fields` are the places of the recipients in the body, in their order."""
    faults = [
        FieldFault(fields[place], "is not allowed for this token") for place in refusal.places
    ]
    status = 403 if refusal.code in CODES_403 else 409 if refusal.code in CODES_409 else 429
    headers = {"Retry-After": str(max(1, refusal.seconds))} if status == 429 else {}
    return Problem(status, refusal.code, _DETAILS[refusal.code], headers=headers, faults=faults)
