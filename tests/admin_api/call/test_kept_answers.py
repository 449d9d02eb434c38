"""Answers kept for a key: how long, how large, and how many a tenant has room for."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from admin_api.call import idempotency as edge
from storage.accounts import idempotency_keys
from storage.clock import DAY
from storage.database import Row, Tx
from tests.builders import (
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TENANT_OWNER,
    World,
    deliver,
)

CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{}\r\nEND:VCARD\r\n"
KEY = {"Idempotency-Key": "order 66"}


async def kept(world: World) -> list[Row]:
    async def read(tx: Tx) -> list[Row]:
        return await tx.fetch_all("SELECT * FROM idempotency_keys")

    return await world.database.read(read)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/contacts/", {"full_name": "Ann", "notes": "\u20ac" * 9_000}, "notes"),
        ("/v1/templates/", {"name": "Long", "body": "\u20ac" * 9_000}, "name"),
    ],
)
async def test_a_long_answer_is_kept_as_an_id_and_shown_as_it_is_then(
    world: World, path: str, body: dict[str, object], field: str
) -> None:
    who, inbox = (TENANT_OWNER, {"inbox_id": SALES} if "contacts" in path else {})
    async with world.client(who) as api:
        first = await api.post(path, json=body | inbox, headers=KEY)
        assert first.status_code == 201, first.text
        (row,) = await kept(world)
        assert (bytes(row["answer"]), row["octets"]) == (b"", 0)
        record = first.json()
        name = record.get("id") or record["template_id"]
        assert row["resource"] == name
        changed = await api.patch(f"{path}{name}/", json={field: "Changed"} | inbox)
        assert changed.status_code == 200
        again = await api.post(path, json=body | inbox, headers=KEY)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.json()[field] == "Changed"
        await api.delete(f"{path}{name}/", params=inbox)
        gone = await api.post(path, json=body | inbox, headers=KEY)
        assert gone.status_code == 404


async def test_a_long_note_and_a_long_request_are_shown_again(world: World) -> None:
    await deliver(world, "sales@example.test")
    text = "\u20ac" * 9_000
    share = {"type": "request", "to_inbox_id": SUPPORT, "contact_address": "a@x.test", "note": text}
    async with world.client(SALES) as api:
        (thread,) = (await api.get("/v1/messages/threads/")).json()["results"]
        notes = f"/v1/messages/threads/{thread['thread_id']}/notes/"
        for path, body in ((notes, {"body": text}), ("/v1/contacts/shares/", share)):
            first = await api.post(path, json=body, headers=KEY)
            again = await api.post(path, json=body, headers=KEY)
            assert first.status_code == again.status_code == 201
            assert first.json() == again.json()
    assert all(row["octets"] == 0 and row["resource"] for row in await kept(world))


async def test_a_long_answer_without_a_resource_is_cut(world: World) -> None:
    file = "".join(CARD.format(f"Person {number}") for number in range(300))
    headers = KEY | {"Content-Type": "text/vcard"}
    async with world.client(SALES) as api:
        first = await api.post("/v1/contacts/import/", content=file, headers=headers)
        again = await api.post("/v1/contacts/import/", content=file, headers=headers)
    assert len(first.json()["results"]) == 300
    assert len(again.content) <= edge.MOST
    assert again.json() | {"results": []} == first.json() | {"results": []}
    assert 0 < len(again.json()["results"]) < 300


async def test_a_post_that_changes_nothing_runs_again_and_keeps_nothing(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        body = {"name": "x", "body": "Hi {who}"}
        path = (
            f"/v1/templates/{(await api.post('/v1/templates/', json=body)).json()['template_id']}/"
        )
        for who in ("Ann", "Bea"):
            answer = await api.post(path, json={"context": {"who": who}}, headers=KEY)
            assert answer.json()["body"] == f"Hi {who}"
    assert await kept(world) == []


async def test_a_tenant_has_room_for_so_many_keys_and_none_is_dropped_before_its_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_keys, "MOST_KEYS", 3)
    vcard = {"Content-Type": "text/vcard", "Idempotency-Key": "file"}
    async with world.client(SALES) as api, world.client(FOREIGN_INBOX) as foreign:
        first = [await task(api, str(number)) for number in range(3)]
        full = await task(api, "3")
        assert (full.status_code, full.json()["code"]) == (429, "too_many_keys")
        assert 86_000 < int(full.headers["retry-after"]) <= 86_400
        file = await api.post("/v1/contacts/import/", content=_unread(), headers=vcard)
        assert (file.status_code, file.json()["code"]) == (429, "too_many_keys")
        again = [await task(api, str(number)) for number in range(3)]
        assert [one.content for one in again] == [one.content for one in first]
        assert (await task(foreign, "0")).status_code == 201
        assert (await api.post("/v1/tasks/", json={"title": "x"})).status_code == 201
        world.clock.advance(DAY)
        assert (await task(api, "3")).status_code == 201


async def test_a_tenant_has_room_for_so_many_octets_of_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_keys, "MOST_OCTETS", 600)
    async with world.client(SALES) as api:
        answers = [await task(api, str(number)) for number in range(8)]
    codes = [answer.status_code for answer in answers]
    assert codes == sorted(codes)
    assert {201, 429} == {*codes}


async def _unread() -> AsyncIterator[bytes]:
    yield _fail()


def _fail() -> bytes:
    raise AssertionError("the body was read")


async def task(api: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await api.post("/v1/tasks/", json={"title": "x"}, headers={"Idempotency-Key": key})


async def test_what_needs_no_body_is_refused_before_one_is_read(world: World) -> None:
    body = {"Content-Type": "application/json"}
    vcard = {"Content-Type": "text/vcard"}
    async with world.client(SALES) as api, world.client(MEMBER) as member:
        refused = [
            (await api.post("/v1/users/", content=_unread(), headers=body), 403),
            (await api.post("/v1/contacts/import/", content=_unread(), headers=body), 415),
            (
                await api.post(
                    f"/v1/contacts/import/?inbox_id={SUPPORT}", content=_unread(), headers=vcard
                ),
                403,
            ),
            (
                await member.post(
                    f"/v1/contacts/import/?inbox_id={SALES}", content=_unread(), headers=vcard
                ),
                404,
            ),
            (await member.post("/v1/contacts/import/", content=_unread(), headers=vcard), 400),
        ]
    assert [answer.status_code for answer, _ in refused] == [status for _, status in refused]
    assert refused[2][0].json()["code"] == "inbox_mismatch"
    assert refused[4][0].json()["code"] == "inbox_required"
