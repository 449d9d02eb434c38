"""Response shapes of messages and attachments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    Answer,
    AttachmentId,
    Cursor,
    Described,
    Folder,
    InboxName,
    ListAddress,
    ListId,
    MessageId,
    ThreadId,
    Time,
)
from storage.outbound.letters import State


class Mailbox(Answer):
    """A name and an address as a header gave them."""

    email: Annotated[str, Field(examples=["grace@sender.example"])]
    name: Annotated[str, Field(examples=["Grace"])]


class Via(Answer):
    """An address by which a copy came."""

    address: ListAddress
    list_id: ListId | None


Verdict = Annotated[
    Literal["verified", "failed", "unverified", "unknown"], Field(examples=["verified"])
]
Reason = Annotated[str | None, Field(examples=[None])]
CheckedDomain = Annotated[str | None, Field(examples=["sender.example"])]


class SpfResult(Answer):
    """Whether the client may send for the domain of the envelope (RFC 7208)."""

    result: Annotated[
        Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"],
        Field(examples=["pass"]),
    ]
    scope: Annotated[Literal["mailfrom", "helo"], Field(examples=["mailfrom"])]
    domain: CheckedDomain
    aligned: Annotated[bool, Field(examples=[True])]
    reason: Reason


class DkimResult(Answer):
    """One signature (RFC 6376)."""

    result: Annotated[
        Literal["pass", "fail", "neutral", "policy", "temperror", "permerror"],
        Field(examples=["fail"]),
    ]
    domain: CheckedDomain
    selector: Annotated[str | None, Field(examples=["key1"])]
    algorithm: Annotated[str | None, Field(examples=["rsa-sha256"])]
    aligned: Annotated[bool, Field(examples=[True])]
    reason: Annotated[str | None, Field(examples=["body_changed"])]


class DmarcResult(Answer):
    """The policy that the domain in From has published (RFC 9989), and its result."""

    result: Annotated[
        Literal["pass", "fail", "none", "temperror", "permerror"], Field(examples=["pass"])
    ]
    policy: Annotated[Literal["none", "quarantine", "reject"] | None, Field(examples=["reject"])]
    domain: CheckedDomain
    testing: Annotated[bool, Field(examples=[False])]
    reason: Reason


class ArcResult(Answer):
    """The chain of those who forwarded the message (RFC 8617)."""

    result: Annotated[Literal["none", "pass", "fail"], Field(examples=["none"])]
    sealers: Annotated[list[str], Field(examples=[["lists.example"]])]


class AuthenticationRecord(Answer):
    """The results of checking who wrote a message."""

    verdict: Verdict
    source: Annotated[Literal["computed", "relay"], Field(examples=["computed"])]
    checked_at: Time
    from_domain: CheckedDomain
    override: Annotated[
        Literal["arc", "exempt", "testing", "postmaster"] | None, Field(examples=[None])
    ]
    spf: SpfResult
    dkim: list[DkimResult]
    dmarc: DmarcResult
    arc: ArcResult


LetterState = Annotated[State, Field(examples=["accepted"])]


class LetterRecipientRecord(Answer):
    """One recipient of a letter, and the smarthost's last words on it."""

    email: Annotated[str, Field(examples=["grace@sender.example"])]
    state: LetterState
    code: Annotated[int | None, Field(examples=[250])]
    enhanced: Annotated[str | None, Field(examples=["2.0.0"])]
    diagnostic: Annotated[str | None, Field(examples=["queued as 4F1C2"])]
    updated_at: Time


class LetterDelivery(Answer):
    """The state of a letter, as a whole and by recipient."""

    state: LetterState
    attempts: Annotated[int, Field(ge=0, examples=[1])]
    next_attempt_at: Time | None
    recipients: list[LetterRecipientRecord]


class Bounce(Answer):
    """The letter that a report is about, and what it says of it."""

    message_id: MessageId
    state: Annotated[
        Literal["bounced", "delayed", "delivered", "other"] | None, Field(examples=["bounced"])
    ]


class MessageItem(Answer):
    """A message in a list; without a copy its folder, marks and ways in are null."""

    message_id: MessageId
    thread_id: ThreadId
    kind: Annotated[Literal["received", "sent", "bounce"], Field(examples=["received"])]
    bounce: Bounce | None
    folder: Folder | None
    sender: Mailbox = Field(alias="from")
    to: list[Mailbox]
    cc: list[Mailbox]
    subject: Annotated[str, Field(examples=["Renewal"])]
    preview: Annotated[str, Field(examples=["When does our contract end?"])]
    received_at: Time
    size: Annotated[int, Field(ge=0, examples=[2048])]
    is_read: bool | None
    is_flagged: bool | None
    has_attachments: bool
    verdict: Verdict | None
    via: list[Via] | None
    seen_by: list[InboxName] | None


class HeaderField(Answer):
    """A header field, unfolded."""

    name: Annotated[str, Field(examples=["Subject"])]
    value: Annotated[str, Field(examples=["Renewal"])]
    forged: Annotated[bool, Field(examples=[True])] = False


class AttachmentRecord(Answer):
    """A file in a message."""

    attachment_id: AttachmentId
    filename: Annotated[str, Field(examples=["contract.pdf"])] | None
    content_type: Annotated[str, Field(examples=["application/pdf"])]
    size: Annotated[int, Field(ge=0, examples=[20480])]
    inline: Annotated[bool, Field(examples=[False])]
    content_id: Annotated[str | None, Field(examples=[None])]


class Envelope(Answer):
    """How this inbox's copy came by SMTP."""

    mail_from: Annotated[str, Field(examples=["grace@sender.example"])]
    rcpt_to: list[ListAddress]
    client_ip: Annotated[str, Field(examples=["192.0.2.7"])]
    helo: Annotated[str, Field(examples=["mx.sender.example"])]
    tls: Annotated[str | None, Field(examples=["TLSv1.3"])]


class MessageRecord(MessageItem):
    """A single message."""

    headers: list[HeaderField]
    reply_to: list[Mailbox]
    text_body: Annotated[str | None, Field(examples=["When does our contract end?\n"])]
    html_body: Annotated[str | None, Field(examples=[None])]
    text_from_html: Annotated[bool, Field(examples=[False])]
    attachments: list[AttachmentRecord]
    authentication: AuthenticationRecord | None
    delivery: LetterDelivery | None
    envelope: Envelope | None
    parse_status: Annotated[
        Literal["pending", "parsed", "partial", "unparsed"], Field(examples=["parsed"])
    ]


class MessagePage(Answer):
    """Messages, newest first, and the way on."""

    results: list[MessageItem]
    cursor: Cursor | None


class ChangedMessages(Answer):
    """Messages as they are now, in the order in which they were named."""

    results: list[MessageItem]


DESCRIBED: dict[str, Described] = {
    "GET /v1/messages/": Described(MessagePage),
    "PATCH /v1/messages/": Described(
        ChangedMessages,
        body={"message_ids": ["msg_01kas3v9t2q5nq8x7d4m6c0wfe"], "set": {"is_read": True}},
        conflicts=("no_copy",),
    ),
    "GET /v1/messages/{message_id}/": Described(MessageRecord),
    "PATCH /v1/messages/{message_id}/": Described(
        MessageRecord,
        body={"is_read": True, "folder": "archive"},
        conflicts=("no_copy",),
    ),
    "DELETE /v1/messages/{message_id}/": Described(
        status=(204,), conflicts=("letter_unfinished", "no_copy")
    ),
    "GET /v1/messages/{message_id}/raw/": Described(media_type="message/rfc822"),
    "GET /v1/messages/{message_id}/attachments/{attachment_id}/": Described(media_type="*/*"),
    "GET /v1/messages/wait/": Described(MessageRecord, (200, 204)),
}
