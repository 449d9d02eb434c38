"""Asking in process is asking by HTTP: the same record, refusal and second answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import orjson
from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.call.router import PathTree
from admin_api.console.inside import ask, ask_with_tag
from admin_api.console.visit import Page, Visit
from admin_api.http.problems import problem_of
from tests.admin_api.console.threads import mail, whole_thread
from tests.admin_api.console.visitor import signed_in
from tests.admin_api.test_routes import TABLE, ids
from tests.builders import MEMBER, SALES, STRANGER, SUPPORT, TENANT_OWNER, World

# These answer with text or a stream, or tell what differs from one credential or moment to another.
UNLIKE = {
    *("/healthz", "/readyz", "/metrics", "/docs", "/v1/openapi.json", "/v1/me/", "/v1/sessions/"),
    *("/v1/events/stream/", "/v1/messages/wait/", "/v1/contacts/export/", "/v1/audit-log/"),
    *("/v1/messages/{message_id}/raw/", "/v1/contacts/{contact_id}/vcard/"),
    *("/v1/messages/{message_id}/attachments/{attachment_id}/", "/v1/domains/{name}/check/"),
}
ASKED = {
    key[4:]: row for key, row in TABLE.items() if key.startswith("GET ") and key[4:] not in UNLIKE
}


async def within(world: World, email: str, work: Callable[[Call], Awaitable[Any]]) -> Any:  # noqa: ANN401
    """What `work` returns when a page of this user runs it."""
    found: list[Any] = []

    async def view(call: Call, visit: Visit) -> Response:
        found.append(await work(call))
        return Response(status_code=204)

    who = await signed_in(world, email)
    edge = cast(Any, world.app.router.default)._inner._edge
    edge._pages, pages = PathTree([Page("GET", "/console/probe/", view)]), edge._pages
    try:
        assert (await who.get("/console/probe/")).status_code == 204
    finally:
        edge._pages = pages
    return found[0]


def refusal(error: Exception) -> tuple[int, str, list[tuple[str, str]]]:
    problem = problem_of(error)
    return problem.status, problem.code, [(one.field, one.message) for one in problem.faults]


def told(status: int, document: Any) -> Any:  # noqa: ANN401
    """An answer by HTTP, as `ask` gives it."""
    if status < 400:
        return document
    faults = [(one["field"], one["message"]) for one in document.get("errors", ())]
    return status, document["code"], faults


async def test_what_is_asked_inside_is_what_the_api_answers(furnished: World) -> None:
    """Every GET of a record or list, by an owner, a member and a stranger: record or refusal."""
    named = await ids(furnished, own=True)
    queries = {
        path.format(**{name: named[kind] for name, kind in row.names.items()}): row
        for path, row in ASKED.items()
    }
    assert len(queries) > 30
    seen = set()
    for email in (TENANT_OWNER, MEMBER, STRANGER):

        async def all_of_them(call: Call) -> dict[str, object]:
            found: dict[str, object] = {}
            for path, row in queries.items():
                try:
                    record = await ask(call, "GET", path, inbox=SALES if row.acts else None)
                    found[path] = orjson.loads(orjson.dumps(record))
                except Exception as error:
                    found[path] = refusal(error)
            return found

        inside = await within(furnished, email, all_of_them)
        async with furnished.client(email) as api:
            for path, row in queries.items():
                answer = await api.get(path, params={"inbox_id": SALES} if row.acts else {})
                expected = told(answer.status_code, answer.json())
                assert inside[path] == expected, (email, path)
                seen.add(answer.status_code)
    assert seen == {200, 400, 403, 404}


async def test_a_key_a_tag_and_a_fault_count_inside_as_outside(world: World) -> None:
    """A POST that is sent again has its effect once; If-Match and faults are the API's."""
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    thread = f"/v1/messages/threads/{shown.thread_id}/"

    async def work(call: Call) -> list[object]:
        async def note(body: str, key: str) -> object:
            try:
                return await ask(
                    call, "POST", f"{thread}notes/", inbox=SUPPORT, body={"body": body}, key=key
                )
            except Exception as error:
                return refusal(error)

        async def close(tag: str | None) -> object:
            try:
                body = {"status": "closed"}
                await ask(call, "PATCH", thread, inbox=SUPPORT, body=dict(body), condition=tag)
            except Exception as error:
                return refusal(error)[:2]
            return "closed"

        notes = [
            await note(*given)
            for given in (("One", "k1"), ("One", "k1"), ("Two", "k1"), ("", "k2"), ("", "k2"))
        ]
        _, tag = await ask_with_tag(call, "GET", thread, inbox=SUPPORT)
        return [*notes, await close('"old"'), await close(tag), await close(tag)]

    first, again, other, empty, empty_again, old, closed, late = await within(world, MEMBER, work)

    async with world.client(SUPPORT) as api:
        assert (await api.get(f"{thread}notes/")).json() == [first] == [again]
        without = await api.post(f"{thread}notes/", json={"body": ""})
        headers = {"Idempotency-Key": "k1"}
        assert (await api.post(f"{thread}notes/", json={"body": "3"}, headers=headers)).is_success
        conflict = await api.post(f"{thread}notes/", json={"body": "4"}, headers=headers)
    assert empty == empty_again == told(400, without.json())
    assert other == told(409, conflict.json())
    assert (old, closed, late) == ((412, "precondition_failed"), "closed", old)
