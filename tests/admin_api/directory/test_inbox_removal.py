"""Deleting an inbox, restoring it, and the end of its mail."""

import pytest

from gateway.jobs import retention
from storage.clock import DAY
from storage.directory.resolve import Verdict, resolve
from storage.errors import NotFound
from storage.maintenance.inbox_removal import restore_inbox
from storage.maintenance.integrity import audit
from tests.builders import (
    MEMBER,
    PASSWORD,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
)
from tests.support.retention import forgotten

PATH = f"/v1/inboxes/{SALES}/"


async def delete(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        assert (await api.delete(PATH)).status_code == 204


async def restore(world: World, name: str = SALES) -> int:
    async with world.client(TENANT_OWNER) as api:
        return (await api.post(f"/v1/inboxes/{name}/restore/")).status_code


async def verdict(world: World, local_part: str = "sales") -> Verdict:
    found = await world.database.read(
        lambda tx: resolve(tx, local_part=local_part, domain="example.test")
    )
    return found.verdict


async def events(world: World) -> list[tuple[str, bytes]]:
    rows = await world.database.read(
        lambda tx: tx.fetch_all(
            "SELECT type, list_id FROM events WHERE inbox_id = :inbox ORDER BY event_id",
            {"inbox": world.raw[SALES]},
        )
    )
    return [(row["type"], bytes(row["list_id"])) for row in rows]


async def purge(world: World) -> None:
    await retention.one_round(world.database, world.content, now=world.clock())


async def test_a_deleted_inbox_is_not_there_for_anybody(world: World) -> None:
    await deliver(world, "sales@example.test")
    await delete(world)
    async with world.client(TENANT_OWNER) as api:
        assert (await api.get(PATH)).status_code == 404
        assert (await api.delete(PATH)).status_code == 404
        assert SALES not in [one["address"] for one in (await api.get("/v1/inboxes/")).json()]
        refused = await api.get("/v1/messages/", params={"inbox_id": SALES})
        assert refused.status_code == 404
        members = await api.get(f"/v1/distribution-lists/{world.ids[TEAM]}/members/")
        assert [member["inbox_address"] for member in members.json()] == [SUPPORT]
        again = await api.post(
            f"/v1/distribution-lists/{world.ids[TEAM]}/members/", json={"inbox_id": SALES}
        )
        assert again.status_code == 400
        labels = {token["inbox_id"] for token in (await api.get("/v1/tokens/")).json()}
        assert world.ids[SALES] not in labels
    async with world.client(SALES) as agent:
        assert (await agent.get("/v1/me/")).status_code == 401
    assert await verdict(world) is Verdict.UNKNOWN
    assert await verdict(world, "sales+tag") is Verdict.UNKNOWN
    assert await verdict(world, "team") is Verdict.ROUTE
    assert (await events(world))[-1] == ("list.member_removed", world.raw[TEAM])


async def test_its_address_stays_taken_for_30_days(world: World) -> None:
    await delete(world)
    async with world.client(TENANT_OWNER) as api:
        for path in ("/v1/inboxes/", "/v1/distribution-lists/"):
            body = {"address": "sales@example.test"}
            body |= {"name": "x"} if "lists" in path else {}
            answer = await api.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")


async def test_a_restored_inbox_has_its_mail_but_neither_lists_nor_tokens(world: World) -> None:
    message = await deliver(world, "team@example.test")
    await delete(world)
    world.clock.advance(DAY * 30 - 1)
    await purge(world)
    await sign_in_again(world)
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(f"/v1/inboxes/{world.ids[SALES]}/restore/")
        assert answer.status_code == 200
        assert answer.json()["address"] == SALES
        assert answer.json()["aliases"] == []
        assert answer.json()["owner_user_id"] == world.ids[TENANT_OWNER]
        found = (await api.get("/v1/messages/", params={"inbox_id": SALES})).json()["results"]
        assert [item["message_id"] for item in found] == [message]
    async with world.client(SALES) as agent:
        assert (await agent.get("/v1/me/")).status_code == 401
    assert await verdict(world) is Verdict.ROUTE
    assert await restore(world) == 409


async def test_only_an_admin_deletes_and_restores(world: World) -> None:
    async with world.client(MEMBER) as api:
        assert (await api.delete(f"/v1/inboxes/{SUPPORT}/")).status_code == 403
    async with world.client(SUPPORT) as api:
        assert (await api.delete(f"/v1/inboxes/{SUPPORT}/")).status_code == 403
        assert (await api.post(f"/v1/inboxes/{SUPPORT}/restore/")).status_code == 403


async def test_an_inbox_that_is_there_or_never_was_is_not_restored(world: World) -> None:
    assert await restore(world) == 409
    assert await restore(world, "nobody@example.test") == 404
    assert await restore(world, "inb_" + "0" * 26) == 404


async def file_of(world: World, name: str, size: int) -> str:
    (world.content.files / "f").mkdir(parents=True, exist_ok=True)
    (world.content.files / "f" / name).write_bytes(b"x" * size)
    return f"f/{name}"


async def test_after_30_days_the_mail_goes_and_the_address_is_free(world: World) -> None:
    body = b"Subject: big\r\n\r\n"
    own_file = await file_of(world, "own", len(body))
    shared_file = await file_of(world, "shared", len(body))
    await deliver(world, "sales@example.test", body=body, file=own_file)
    shared = await deliver(world, "team@example.test", body=body, file=shared_file)
    for number in range(250):
        await deliver(world, "sales@example.test", body=b"Subject: %d\r\n\r\n" % number)
    await delete(world)
    world.clock.advance(DAY * 30)
    with pytest.raises(NotFound):
        await world.database.write(
            lambda tx: restore_inbox(
                tx, tenant_id=world.tenant_id, inbox_id=world.raw[SALES], now=world.clock()
            )
        )
    await purge(world)
    assert (await audit(world.database, world.content)).findings == ()
    assert not (world.content.files / own_file).exists()
    assert (world.content.files / shared_file).exists()
    rows = await world.database.read(
        lambda tx: tx.fetch_all(
            """
            SELECT (SELECT COUNT(*) FROM messages) AS messages,
                   (SELECT COUNT(*) FROM contents) AS contents,
                   (SELECT COUNT(*) FROM inboxes) AS inboxes,
                   (SELECT COUNT(*) FROM addresses) AS addresses
            """
        )
    )
    assert dict(rows[0]) == {"messages": 1, "contents": 1, "inboxes": 3, "addresses": 5}
    async with world.client(SUPPORT) as api:
        assert (await api.get(f"/v1/messages/{shared}/")).status_code == 200
    assert await forgotten(world.database, "inboxes", now=world.clock()) == 0
    assert await make_again(world) != world.ids[SALES]


async def sign_in_again(world: World) -> None:
    """The session of before is over after so many days."""
    async with world.client() as api:
        body = {"email": TENANT_OWNER, "password": PASSWORD}
        answer = await api.post("/auth/login/", json=body)
    world.secrets[TENANT_OWNER] = answer.json()["access_token"]


async def make_again(world: World) -> str:
    await sign_in_again(world)
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post("/v1/inboxes/", json={"address": SALES})
        assert answer.status_code == 201
        found = await api.get("/v1/messages/", params={"inbox_id": SALES})
        assert found.json()["results"] == []
    return str(answer.json()["inbox_id"])
