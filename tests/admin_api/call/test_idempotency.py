"""Idempotency-Key: a POST that is sent again has its effect once and gets the first answer."""

import asyncio

import httpx2
import pytest

from admin_api.call import idempotency as edge
from admin_api.routes import ROUTES
from storage.accounts import idempotency_keys
from storage.accounts.idempotency_keys import KeptAnswer, KeyClaim
from storage.clock import DAY, SECOND
from storage.database import Row, Tx
from storage.errors import Conflict, StoreUnavailable
from tests.admin_api.outbound.test_letters import sending_world
from tests.admin_api.test_routes import TABLE, ids
from tests.admin_api.test_tenants import path_of
from tests.builders import (
    AGENT,
    MEMBER,
    PASSWORD,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
)
from tests.support.engines import Engine
from tests.support.retention import forgotten

Rows = list[Row]

KEY = {"Idempotency-Key": "order 66"}


async def names(api: httpx2.AsyncClient) -> list[str]:
    return [one["name"] for one in (await api.get("/v1/templates/")).json()]


async def test_the_same_call_again_gets_the_first_answer_and_has_no_effect(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        first = await api.post("/v1/templates/", json={"name": "One"}, headers=KEY)
        again = await api.post("/v1/templates", json={"name": "One"}, headers=KEY)
        assert await names(api) == ["One"]
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "body", "count"),
    [
        ("/v1/users/", {"email": "new@people.test", "password": PASSWORD}, 4),
        ("/v1/inboxes/", {"address": "new@example.test"}, 4),
        ("/v1/domains/", {"domain": "new.test"}, 2),
        ("/v1/distribution-lists/", {"address": "new@example.test", "name": "New"}, 2),
    ],
)
async def test_what_can_be_made_once_only_is_answered_alike(
    world: World, path: str, body: dict[str, object], count: int
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answers = [await api.post(path, json=body, headers=KEY) for _ in range(3)]
        assert len((await api.get(path)).json()) == count
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1


async def test_a_secret_is_shown_once(world: World) -> None:
    body = {"inbox_id": SALES, "label": "x", "scopes": ["email:read"]}
    async with world.client(TENANT_OWNER) as api:
        first = await api.post("/v1/tokens/", json=body, headers=KEY)
        again = await api.post("/v1/tokens/", json=body, headers=KEY)
    secret = first.json()["token"]
    assert again.json() == first.json() | {"token": None}

    async def kept(tx: Tx) -> list[bytes]:
        return [
            bytes(row["answer"]) for row in await tx.fetch_all("SELECT * FROM idempotency_keys")
        ]

    assert not any(secret.encode() in answer for answer in await world.database.read(kept))


async def test_another_body_or_query_with_the_key_is_409(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        await api.post("/v1/tasks/", json={"title": "x", "inbox_id": SALES}, headers=KEY)
        for body in ({"title": "y", "inbox_id": SALES}, {"title": "x", "inbox_id": SUPPORT}):
            answer = await api.post("/v1/tasks/", json=body, headers=KEY)
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
        answer = await api.post(f"/v1/tasks/?inbox_id={SALES}", json={"title": "x"}, headers=KEY)
        assert answer.json()["code"] == "idempotency_mismatch"


async def test_another_path_credential_or_key_is_another_call(world: World) -> None:
    body = {"name": "One"}
    async with world.client(TENANT_OWNER) as api, world.client(TENANT_ADMIN) as other:
        await api.post("/v1/templates/", json=body, headers=KEY)
        await other.post("/v1/templates/", json=body, headers=KEY)
        await api.post("/v1/templates/", json=body, headers={"Idempotency-Key": "other"})
        listed = await api.post(
            "/v1/distribution-lists/", json=body | {"address": "n@example.test"}, headers=KEY
        )
        assert listed.status_code == 201
        assert await names(api) == ["One"] * 3


async def test_a_refusal_is_kept_and_other_methods_take_no_key(world: World) -> None:
    taken = {"address": SALES, "name": "x"}
    async with world.client(TENANT_OWNER) as api:
        first = await api.post("/v1/distribution-lists/", json=taken, headers=KEY)
        await api.delete(f"/v1/inboxes/{world.ids[SALES]}/", headers=KEY)
        again = await api.post("/v1/distribution-lists/", json=taken, headers=KEY)
        faulty = [
            await api.post("/v1/templates/", json={"odd": 1}, headers={"Idempotency-Key": "f"})
            for _ in range(2)
        ]
        path = f"/v1/distribution-lists/{world.ids[TEAM]}/"
        for name in ("One", "Two"):
            assert (await api.patch(path, json={"name": name}, headers=KEY)).status_code == 200
    assert first.status_code == again.status_code == 409
    assert first.content == again.content
    assert {answer.status_code for answer in faulty} == {400}
    assert faulty[0].content == faulty[1].content
    assert faulty[1].headers["content-type"] == "application/problem+json"


async def test_who_may_call_is_asked_first_every_time(world: World) -> None:
    body = {"name": "One"}
    async with world.client(TENANT_ADMIN) as api, world.client(TENANT_OWNER) as owner:
        assert (await api.post("/v1/templates/", json=body, headers=KEY)).status_code == 201
        user = f"/v1/users/{world.ids[TENANT_ADMIN]}/"
        await owner.patch(user, json={"role": "member"})
        assert (await api.post("/v1/templates/", json=body, headers=KEY)).status_code == 403
        await owner.delete(user)
        assert (await api.post("/v1/templates/", json=body, headers=KEY)).status_code == 401


async def test_a_missing_right_is_no_stored_answer(engine: Engine) -> None:
    """Also where the handler alone can tell: with the right, the same key sends the letter."""
    letter = {
        "inbox_id": AGENT,
        "from": TEAM,
        "text_body": "x",
        "to": [{"email": "grace@sender.test"}],
    }
    async with sending_world(engine) as world, world.client(TENANT_OWNER) as owner:
        refused = [await owner.post("/v1/messages/", json=letter, headers=KEY) for _ in "ab"]
        member = f"/v1/distribution-lists/{world.ids[TEAM]}/members/"
        assert (await owner.post(member, json={"inbox_id": AGENT})).status_code == 201
        sent = [await owner.post("/v1/messages/", json=letter, headers=KEY) for _ in "ab"]
    assert [one.json()["code"] for one in refused] == ["list_not_yours"] * 2
    assert [one.status_code for one in sent] == [201, 201]
    assert sent[0].json()["message_id"] == sent[1].json()["message_id"]
    replayed = ["idempotency-replayed" in one.headers for one in (*refused, *sent)]
    assert replayed == [False, False, False, True]


async def test_an_inbox_that_was_taken_away_is_404_though_the_answer_is_kept(world: World) -> None:
    body = {"title": "x", "inbox_id": SUPPORT}
    async with world.client(MEMBER) as api, world.client(TENANT_OWNER) as owner:
        assert (await api.post("/v1/tasks/", json=body, headers=KEY)).status_code == 201
        inbox = f"/v1/inboxes/{world.ids[SUPPORT]}/"
        await owner.patch(inbox, json={"owner_user_id": None})
        assert (await api.post("/v1/tasks/", json=body, headers=KEY)).status_code == 404


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "\x7f", "caf\xe9"])
async def test_a_key_that_is_none_is_400(world: World, key: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        answer = await api.post("/v1/templates/", json={}, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
        assert await names(api) == []


async def test_after_a_day_the_key_is_free_again(world: World) -> None:
    async with world.client(SALES) as api:
        body = {"title": "Call"}
        first = await api.post("/v1/tasks/", json=body, headers=KEY)
        world.clock.advance(DAY - SECOND)
        assert (await api.post("/v1/tasks/", json=body, headers=KEY)).content == first.content
        world.clock.advance(SECOND)
        assert (await api.post("/v1/tasks/", json=body, headers=KEY)).content != first.content
    now = world.clock() + DAY
    assert await forgotten(world.database, "idempotency_keys", now=now) == 1


async def test_parallel_repetitions_have_one_effect(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answers = await asyncio.gather(
            *(api.post("/v1/templates/", json={"name": "One"}, headers=KEY) for _ in range(10))
        )
        assert await names(api) == ["One"]
    made = [answer for answer in answers if answer.status_code == 201]
    others = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    assert len({answer.content for answer in made}) == 1
    assert set(others) <= {"idempotency_in_progress"}


async def test_a_crash_before_the_commit_leaves_neither_effect_nor_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(tx: Tx, claim: KeyClaim, answer: KeptAnswer) -> None:
        raise StoreUnavailable("gone")

    async def nothing(*_: object) -> None:
        """A process that is gone settles nothing."""

    async with world.client(TENANT_OWNER) as api:
        with monkeypatch.context() as patch:
            patch.setattr(idempotency_keys, "keep_answer", crash)
            patch.setattr(edge, "_settle", nothing)
            first = await api.post("/v1/templates/", json={"name": "One"}, headers=KEY)
        assert first.status_code == 503
        assert await names(api) == []
        soon = await api.post("/v1/templates/", json={"name": "One"}, headers=KEY)
        assert (soon.status_code, soon.json()["code"]) == (409, "idempotency_in_progress")
        world.clock.advance(idempotency_keys.LEASE)
        later = await api.post("/v1/templates/", json={"name": "One"}, headers=KEY)
        assert later.status_code == 201
        assert await names(api) == ["One"]


async def test_what_failed_for_want_of_the_store_can_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(tx: Tx, claim: KeyClaim, answer: KeptAnswer) -> None:
        raise StoreUnavailable("gone")

    async with world.client(TENANT_OWNER) as api:
        with monkeypatch.context() as patch:
            patch.setattr(idempotency_keys, "keep_answer", crash)
            assert (await api.post("/v1/templates/", json={}, headers=KEY)).status_code == 503
        assert (await api.post("/v1/templates/", json={}, headers=KEY)).status_code == 201


async def claim(world: World, now: int) -> KeyClaim:
    found = await world.database.write(
        lambda tx: idempotency_keys.claim_key(
            tx, tenant_id=world.tenant_id, key=b"k", body=b"b", now=now
        )
    )
    assert isinstance(found, KeyClaim)
    return found


async def test_whoever_lost_the_claim_cannot_commit(world: World) -> None:
    slow = await claim(world, world.clock())
    quick = await claim(world, world.clock() + idempotency_keys.LEASE)
    answer = KeptAnswer(201, b"{}")
    with pytest.raises(Conflict):
        await world.database.write(lambda tx: idempotency_keys.keep_answer(tx, slow, answer))
    await world.database.write(lambda tx: idempotency_keys.release_claim(tx, slow))
    await world.database.write(lambda tx: idempotency_keys.keep_answer(tx, quick, answer))


async def test_a_call_that_goes_on_writing_keeps_its_claim(world: World) -> None:
    begun = await claim(world, world.clock())
    for _ in range(3):
        world.clock.advance(idempotency_keys.LEASE - 1)
        now = world.clock()
        await world.database.write(
            lambda tx, now=now: idempotency_keys.renew_claim(tx, begun, now=now)  # type: ignore[misc]
        )
        with pytest.raises(Conflict):
            await claim(world, now + 1)
    await claim(world, world.clock() + idempotency_keys.LEASE)
    with pytest.raises(Conflict):
        await world.database.write(
            lambda tx: idempotency_keys.renew_claim(tx, begun, now=world.clock())
        )


async def test_each_transaction_of_an_import_renews_the_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[int] = []

    async def renew(tx: Tx, claim: KeyClaim, *, now: int) -> None:
        renewed.append(now)
        world.clock.advance(idempotency_keys.LEASE * 2)

    monkeypatch.setattr(idempotency_keys, "renew_claim", renew)
    begun = world.clock()
    async with world.client(SALES) as api:
        headers = KEY | {"Content-Type": "text/vcard"}
        cards = "".join(CARD.format(f"Ann {number}") for number in range(600))
        answer = await api.post("/v1/contacts/import/", content=cards, headers=headers)
    assert answer.json()["created"] == 600
    assert renewed == [begun + idempotency_keys.LEASE * 2 * past for past in range(len(renewed))]
    assert len(renewed) > 1


async def test_assigning_and_noting_take_a_key_as_well(world: World) -> None:
    await deliver(world, "sales@example.test")
    async with world.client(SALES) as api:
        (thread,) = (await api.get("/v1/messages/threads/")).json()["results"]
        path = f"/v1/messages/threads/{thread['thread_id']}/"
        for _ in range(2):
            note = await api.post(path + "notes/", json={"body": "Call."}, headers=KEY)
            assert note.status_code == 201
            assigned = await api.post(path + "assign/", json={"to": SUPPORT}, headers=KEY)
            assert assigned.status_code == 200
        assert len((await api.get(path + "notes/")).json()) == 1
        assert len((await api.get(path + "history/")).json()) == 1


CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{}\r\nEND:VCARD\r\n"


async def test_a_file_is_compared_as_a_body_is(world: World) -> None:
    headers = KEY | {"Content-Type": "text/vcard"}
    path = "/v1/contacts/import/"
    async with world.client(SALES) as api:
        first = await api.post(path, content=CARD.format("Ann"), headers=headers)
        again = await api.post(path, content=CARD.format("Ann"), headers=headers)
        other = await api.post(path, content=CARD.format("Bea"), headers=headers)
        assert (await api.get("/v1/contacts/")).json()["total"] == 1
    assert first.status_code == 200
    assert first.content == again.content
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


async def test_every_post_takes_a_key_and_fails_of_nothing_but_its_input(world: World) -> None:
    """A handler that waits for more than the store has to say so in the route table."""
    async with world.client(TENANT_OWNER) as api:
        own = await ids(world, own=True)
        for route in ROUTES:
            if not edge.takes_key(route) or route.takes_file:
                continue
            row = TABLE[f"POST {route.path}"]
            path = path_of(route, {name: own.get(kind) for name, kind in row.names.items()})
            query = {"inbox_id": SALES} if row.acts else {}
            answers = [
                await api.post(path, params=query, json=row.body, headers=KEY) for _ in range(2)
            ]
            # One call may change what the next one finds; none may be a fault of ours.
            assert answers[0].status_code < 429, path
            assert answers[1].status_code == answers[0].status_code
            assert answers[1].headers["idempotency-replayed"] == "true"
