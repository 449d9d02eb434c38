"""Records of letters, as the API shows them."""

from __future__ import annotations

from admin_api.http.records import Record, time_or_none
from storage.ids import to_text
from storage.outbound.letters import Letter


def queued_record(letter: Letter, *, approval_id: bytes | None, warnings: list[str]) -> Record:
    """A letter that was just queued, or that waits for approval."""
    return {
        "message_id": to_text("msg", letter.message_id),
        "thread_id": to_text("thr", letter.thread_id),
        "state": letter.state,
        "send_at": time_or_none(letter.due_at),
        "queued": approval_id is not None,
        "approval_id": None if approval_id is None else to_text("apr", approval_id),
        "warnings": warnings,
    }
