"""The caller's own sessions: where they are signed in, and the end of that.

- Sessions only; nobody sees or ends another user's.
- Those of the page and those of programs are in one list; an ended one is refused from the next
  call on, and its streams end.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.accounts.records import session_record
from admin_api.call.audit_trail import note
from admin_api.call.call import Call
from admin_api.call.paging import Page, page_answer
from admin_api.http.records import Record
from admin_api.http.responses import no_content
from storage.accounts import sessions
from storage.accounts.sessions import Session
from storage.database import Tx


async def list_sessions(call: Call) -> Response:
    """GET /v1/sessions/: oldest first."""
    page = call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[Session]:
        return await sessions.list_sessions(
            tx,
            tenant_id=call.tenant_id,
            user_id=call.person.user.user_id,
            now=call.now,
            span=span,
        )

    def record(session: Session) -> Record:
        return session_record(session, current=call.person.session.session_id)

    found = await call.database.read(work)
    return page_answer(call, page, found, record, lambda session: session.session_id)


async def end_session(call: Call) -> Response:
    """DELETE /v1/sessions/{session_id}/: the current one too."""

    async def work(tx: Tx) -> None:
        session = await locate(tx, call)
        await sessions.end_session(tx, tenant_id=call.tenant_id, session_id=session.session_id)
        await _note(tx, call)

    await call.database.write(work)
    return no_content()


async def end_other_sessions(call: Call) -> Response:
    """DELETE /v1/sessions/: all but the current one."""

    async def work(tx: Tx) -> None:
        ended = await sessions.end_other_sessions(
            tx,
            tenant_id=call.tenant_id,
            user_id=call.person.user.user_id,
            keep=call.person.session.session_id,
        )
        if ended:
            await _note(tx, call)

    await call.database.write(work)
    return no_content()


async def _note(tx: Tx, call: Call) -> None:
    user = call.person.user
    await note(tx, call, "user.sessions_ended", user.user_id, name=user.email)


async def locate(tx: Tx, call: Call) -> Session:
    """Return the caller's session in the path. Raises NotFound."""
    # The user's id is part of the query: another user's session looks like one that is not there.
    return await sessions.find_session(
        tx,
        tenant_id=call.tenant_id,
        user_id=call.person.user.user_id,
        session_id=call.path_id("ses", "session_id"),
        now=call.now,
    )
