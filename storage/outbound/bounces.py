"""Reports that come back about a letter: what they say, recorded at its recipients.

- A message is a report about a letter when it came to the token in the letter's envelope sender, or
  is a delivery status that names that token as its envelope id. Nothing else changes a letter.
- A recipient takes the state of the report's action, else of the class of its status. A failure is
  final; a delay changes only what was accepted.
- Whatever comes to a token is of the letter's thread. A failure, and a message that is no report
  and not automatic, make a task for the author: an automatic one is a notice of absence.
- Each report is recorded once.

RFC 3461 4.4 (envelope ids), RFC 3464 2.3.3 (actions), RFC 3834 4 (answers to the envelope sender).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from storage.address import canonical_or_none
from storage.database import Row, Tx
from storage.delivery.thread_merge import current_thread, merge_threads
from storage.events.record import BOUNCED, About, record_for_holders
from storage.message_format.delivery_report import DeliveryReport, ReportedRecipient, ReportedState
from storage.outbound.author_tasks import NOT_DELIVERED, ask_author
from storage.outbound.letters import Letter, State, letters_of
from storage.outbound.sending_queue import LONGEST_DIAGNOSTIC
from storage.sql import in_list

OTHER = "other"  # the state of a message to a token that is no report
_WORST_FIRST: tuple[ReportedState, ...] = ("bounced", "delayed", "delivered")
_SENT: tuple[State, ...] = ("sending", "accepted", "unknown")
_FROM: Mapping[ReportedState, tuple[State, ...]] = {
    "bounced": (*_SENT, "delayed", "delivered"),
    "delayed": _SENT,
    "delivered": (*_SENT, "delayed"),
}
_CODE = re.compile(r"([245][0-9]{2})(?:[ -]|$)")


async def record_report(
    tx: Tx, *, message_id: bytes, report: DeliveryReport | None, now: int
) -> bool:
    """Record what a stored message reports; False when it is about no letter, or was recorded.

    `report` is None for a message that is no report, or cannot be parsed.
    """
    row = await tx.fetch_one(
        """
        SELECT tenant_id, thread_id, from_email, automatic, bounce_of, bounce_state FROM messages
        WHERE message_id = :message_id
        """,
        {"message_id": message_id},
    )
    if row is None or row["bounce_state"] is not None:
        return False
    tenant_id = bytes(row["tenant_id"])
    letter_id = await _letter_meant(tx, row, report)
    found = (
        {}
        if letter_id is None
        else (await letters_of(tx, tenant_id=tenant_id, message_ids=[letter_id]))
    )
    if letter_id is None or letter_id not in found:
        return False
    letter = found[letter_id]
    state = _worst(report)
    await tx.execute(
        "UPDATE messages SET bounce_of = :letter_id, bounce_state = :state"
        " WHERE message_id = :message_id",
        {"message_id": message_id, "letter_id": letter_id, "state": state},
    )
    await _join(tx, tenant_id, bytes(row["thread_id"]), letter.thread_id, now)
    if report is not None:
        await _set_states(tx, letter, report, now)
    if state == "delivered":
        return True
    if state == "bounced" or (state == OTHER and _may_be_failure(row)):
        said = _said(report)
        await ask_author(tx, letter_id=letter_id, about=NOT_DELIVERED, description=said, now=now)
    # The event log shows it only where the letter is held as well.
    about = About(message_id, tenant_id, letter_id, letter.thread_id)
    await record_for_holders(tx, BOUNCED, [about], now=now)
    return True


def _may_be_failure(row: Row) -> bool:
    """Whether a message that is no report may tell of a failure; a notice of absence does not."""
    # Some servers write their failures as plain text (qmail).
    by_server = str(row["from_email"]).lower().startswith("mailer-daemon@")
    return not row["automatic"] or by_server


async def _letter_meant(tx: Tx, row: Row, report: DeliveryReport | None) -> bytes | None:
    """The letter to whose token the message came; else the one that it names by that token."""
    if row["bounce_of"] is not None:
        return bytes(row["bounce_of"])
    if report is None or not report.envelope_id:
        return None
    named = await tx.fetch_one(
        "SELECT message_id FROM letters WHERE bounce_token = :token AND tenant_id = :tenant_id",
        {"token": report.envelope_id, "tenant_id": row["tenant_id"]},
    )
    return None if named is None else bytes(named["message_id"])


def _worst(report: DeliveryReport | None) -> str:
    states = {one.state for one in report.recipients} if report else set()
    return next((state for state in _WORST_FIRST if state in states), OTHER)


async def _join(tx: Tx, tenant_id: bytes, thread_id: bytes, of_letter: bytes, now: int) -> None:
    """Join the thread of a report that came to another address with that of its letter."""
    present = await current_thread(tx, tenant_id=tenant_id, thread_id=thread_id)
    if present == of_letter:
        return
    older, younger = sorted((present, of_letter))
    since = tx.new_id()
    await merge_threads(tx, tenant_id=tenant_id, older=older, younger=younger, since=since, now=now)


async def _set_states(tx: Tx, letter: Letter, report: DeliveryReport, now: int) -> None:
    # Once for all that are reported: this runs in the transaction of the parser's whole batch.
    places = {
        canonical_or_none(one.email): place
        for place, one in reversed([*enumerate(letter.recipients)])
    }
    is_only_one = len(report.recipients) == len(letter.recipients) == 1
    for one in report.recipients:
        state, place = one.state, _place_of(one, places, is_only_one=is_only_one)
        if state is None or place is None:
            continue
        code = _CODE.match(one.diagnostic)
        chosen, names = in_list(_FROM[state])
        await tx.execute(
            f"""
            UPDATE letter_recipients
            SET state = :state, code = :code, enhanced = :enhanced, diagnostic = :diagnostic,
                updated_at = :now
            WHERE message_id = :message_id AND position = :place AND state IN ({chosen})
            """,
            {
                **names,
                "message_id": letter.message_id,
                "place": place,
                "state": state,
                "code": int(code[1]) if code else None,
                "enhanced": one.status or None,
                "diagnostic": one.diagnostic[:LONGEST_DIAGNOSTIC] or None,
                "now": now,
            },
        )
    # One that may have been sent is not sent again when this report shows that it was.
    await tx.execute(
        """
        UPDATE letters SET due_at = NULL
        WHERE message_id = :message_id AND due_at IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM letter_recipients r WHERE r.message_id = :message_id
                          AND r.state IN ('waiting', 'unknown', 'sending', 'held'))
        """,
        {"message_id": letter.message_id},
    )


def _place_of(
    one: ReportedRecipient, places: Mapping[str | None, int], *, is_only_one: bool
) -> int | None:
    """The place of the recipient that is meant; the only one, whatever a forwarder called it."""
    meant = (canonical_or_none(address) for address in one.addresses)
    place = next((places[name] for name in meant if name is not None and name in places), None)
    return 0 if place is None and is_only_one else place


def _said(report: DeliveryReport | None) -> str | None:
    """The report's words on those it was not delivered to."""
    failed: Sequence[ReportedRecipient] = report.recipients if report else ()
    lines = [
        ": ".join(part for part in ((one.original or one.final), one.diagnostic) if part)
        for one in failed
        if one.state == "bounced"
    ]
    return "\n".join(lines)[:2000] or None
