"""Response shapes of letters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.drafts.refusals import CODES_403, CODES_409, CODES_429
from admin_api.drafts.shapes import DraftRecord
from admin_api.http.shapes import Answer, ApprovalId, Described, MessageId, ThreadId, Time
from admin_api.mailbox.shapes import LetterState, MessageRecord


class QueuedLetter(Answer):
    """A letter that leaves at `send_at`, or waits for approval."""

    message_id: MessageId
    thread_id: ThreadId
    state: LetterState
    send_at: Time | None
    queued: Annotated[bool, Field(examples=[False])]
    approval_id: ApprovalId | None
    warnings: list[Annotated[Literal["no_reply_wanted"], Field(examples=["no_reply_wanted"])]]


DESCRIBED: dict[str, Described] = {
    "POST /v1/messages/": Described(
        QueuedLetter,
        (201, 202),
        body={"reply_to_message_id": "msg_01kas3v9t2q5nq8x7d4m6c0wfe", "text_body": "In March."},
        refusals=("list_not_yours", "plan_required", *CODES_403),
        conflicts=("sending_unconfigured", "thread_moved", *CODES_409),
        too_many=CODES_429,
        too_large=("letter_too_large",),
        faults=("domain_not_verified", "from_ambiguous", "template_incomplete"),
    ),
    "POST /v1/messages/{message_id}/cancel/": Described(
        DraftRecord, refusals=("not_author",), conflicts=("already_sending", "draft_limit")
    ),
    "POST /v1/messages/{message_id}/retry/": Described(
        MessageRecord,
        refusals=("not_author",),
        conflicts=("nothing_to_retry", "sending_unconfigured"),
    ),
}
