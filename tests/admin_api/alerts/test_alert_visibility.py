"""Alerts of others, of users who left, and the one webhook of an inbox: who sees them."""

from tests.admin_api.alerts.alert_calls import (
    ALERTS,
    HOOK,
    INBOX,
    NEWS,
    change,
    made,
    owed,
    routed,
    task,
)
from tests.admin_api.teamwork.team import agenda, delete, get, post, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)


async def test_a_user_who_goes_or_is_demoted_leaves_no_alert_that_works(world: World) -> None:
    for who in (TENANT_ADMIN, MEMBER):
        await made(world, who, inbox_id=SUPPORT)
    async with world.client(TENANT_OWNER) as api:
        await api.patch(f"/v1/users/{world.ids[TENANT_ADMIN]}/", json={"role": "member"})
        assert await statuses(world) == ["disabled", "active"]
        await api.delete(f"/v1/users/{world.ids[MEMBER]}/")
    assert await statuses(world) == ["disabled", "disabled"]


async def statuses(world: World) -> list[str]:
    return [one["status"] for one in await get(world, SUPPORT, ALERTS)]


async def test_an_inboxs_webhook_shows_its_secret_when_the_url_is_new(world: World) -> None:
    first = (await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=NEWS)).json()
    same = (await change(world, INBOX, webhook_url=HOOK["target"])).json()
    other = (await change(world, INBOX, webhook_url="https://new.example.test/")).json()
    renewed = (await post(world, SALES, f"{INBOX}webhook-secret/")).json()

    assert "webhook_secret" not in same
    assert same == {key: value for key, value in first.items() if key != "webhook_secret"}
    assert (other["webhook_url"], other["webhook_events"]) == ("https://new.example.test/", NEWS)
    assert len({first["webhook_secret"], other["webhook_secret"], renewed["webhook_secret"]}) == 3
    gone = (await change(world, INBOX, webhook_url=None)).json()
    assert (gone["webhook_url"], gone["webhook_events"]) == (None, [])
    answer = await post(world, SALES, f"{INBOX}webhook-secret/")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_webhook")


async def test_an_inboxs_webhook_is_the_same_machinery(world: World) -> None:
    await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=NEWS)
    await deliver(world, SALES)
    await routed(world)

    assert await get(world, SALES, ALERTS) == []
    (own,) = await get(world, SALES, ALERTS, origin="inbox")
    assert (own["events"], own["delivery"]) == (NEWS, HOOK)
    assert [one["status"] for one in await owed(world, own)] == ["pending"]
    path = f"{ALERTS}{own['alert_id']}/"
    refused = await change(world, path, enabled=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "inbox_webhook")
    assert await delete(world, SALES, path) == 409
    again = await change(world, INBOX, webhook_events=[])
    assert again.json()["webhook_url"] == HOOK["target"]


async def test_the_webhook_of_an_inbox_is_shown_to_who_may_act_for_it(world: World) -> None:
    await change(world, INBOX, webhook_url="https://hooks.example.test/very-secret")
    mail = await token_with(world, SALES, "email:read")
    alerting = await token_with(world, SALES, "alerts:read")
    shown = {}
    for name in (SALES, TENANT_OWNER, TENANT_ADMIN, SUPPORT, MEMBER):
        shown[name] = str(await get(world, name, "/v1/inboxes/"))
    for name, secret in (("mail", mail), ("alerting", alerting)):
        async with world.client(secret=secret) as api:
            shown[name] = (await api.get(INBOX)).text + (await api.get("/v1/inboxes/")).text

    seen = {name for name, text in shown.items() if "very-secret" in text}
    assert seen == {SALES, TENANT_OWNER, TENANT_ADMIN, "alerting"}


async def test_no_secret_and_no_target_is_in_the_audit_log(world: World) -> None:
    record = await made(world)
    path = f"{ALERTS}{record['alert_id']}/"
    renewed = (await post(world, SALES, f"{path}webhook-secret/")).json()
    inbox = (await change(world, INBOX, webhook_url=HOOK["target"])).json()
    await change(world, path, delivery=HOOK)
    await delete(world, SALES, path)

    text = str(await get(world, TENANT_OWNER, "/v1/audit-log/"))
    assert "alert.secret_renewed" in text
    for hidden in (record["secret"], renewed["secret"], inbox["webhook_secret"], HOOK["target"]):
        assert hidden not in text


async def test_another_tenants_alert_is_as_one_that_is_not_there(world: World) -> None:
    record = await made(world)
    async with world.client(STRANGER) as api:
        theirs = await api.get(f"{ALERTS}{record['alert_id']}/", params={"inbox_id": FOREIGN_INBOX})
        unknown = await api.get(ALERTS + "alr_" + "0" * 26, params={"inbox_id": FOREIGN_INBOX})
        crossing = await api.get(ALERTS, params={"inbox_id": SALES})

    assert theirs.status_code == crossing.status_code == 404
    assert theirs.content == unknown.content


async def test_no_filter_and_no_title_tells_how_another_inbox_got_its_copy(world: World) -> None:
    """Support is on no envelope of the list here; that Sales got it by the list is not its."""
    async with world.client(TENANT_OWNER) as api:
        members = f"/v1/distribution-lists/{world.ids[TEAM]}/members/"
        assert (await api.delete(f"{members}{SUPPORT}/")).status_code == 204
    by_list = {"list_id": world.ids[TEAM]}
    await made(world, SUPPORT, delivery=task("came by the list"), filter=by_list)
    await made(world, SUPPORT, delivery=task("{list} {subject}"))
    await deliver(world, TEAM.lower(), SUPPORT, subject="Both")
    await routed(world)

    assert [item["title"] for item in await agenda(world, SUPPORT)] == ["{list} Both"]


async def test_no_filter_tells_of_an_assignment_that_the_inbox_may_not_know_of(
    world: World,
) -> None:
    path = await thread_with(world, SALES, subject="Mine", name="<mine@x.test>")
    await post(world, SALES, f"{path}assign/", to=AGENT)
    await made(world, SUPPORT, delivery=task("nobody has it"), filter={"assignee": "none"})
    await made(world, SUPPORT, delivery=task("the agent has it"), filter={"assignee": AGENT})

    await deliver(world, SUPPORT, subject="Forged", references=("<mine@x.test>",))
    await routed(world)

    assert [item["title"] for item in await agenda(world, SUPPORT)] == ["nobody has it"]


async def test_a_title_has_the_subject_of_what_the_inbox_itself_sees(world: World) -> None:
    """Whoever forges a reference into a thread learns nothing of it by an alert."""
    await thread_with(world, SALES, subject="Secret plans", name="<plans@x.test>")
    await made(world, SUPPORT, events=["thread.closed"], delivery=task("{subject}"))
    await deliver(world, SUPPORT, subject="Forged", references=("<plans@x.test>",))
    (thread,) = (await get(world, SUPPORT, "/v1/messages/threads/"))["results"]
    async with world.client(SUPPORT) as api:
        path = f"/v1/messages/threads/{thread['thread_id']}/"
        assert (await api.patch(path, json={"status": "closed"})).status_code == 200
    await routed(world)

    (item,) = [one for one in await agenda(world, SUPPORT) if one["type"] == "alert"]
    assert item["title"] == "Forged"
    assert "Secret plans" not in str(await get(world, SUPPORT, "/v1/agenda/"))


async def test_what_the_inbox_deleted_before_routing_is_not_told(world: World) -> None:
    hook = await made(world)
    await made(world, delivery=task("{subject}"))
    message = await deliver(world, SALES, subject="Gone")
    for _ in range(2):
        assert await delete(world, SALES, f"/v1/messages/{message}/") == 204
    await routed(world)

    assert await agenda(world, SALES) == []
    assert await owed(world, hook) == []


async def test_who_sets_a_target_again_and_again_is_not_disabled_for_it(world: World) -> None:
    record = await made(world)
    await deliver(world, SALES)
    await routed(world)
    await world.database.write(
        lambda tx: tx.execute("UPDATE deliveries SET tries = 9, attempts = 9")
    )

    await change(world, f"{ALERTS}{record['alert_id']}/", delivery=HOOK)

    row = await world.database.read(
        lambda tx: tx.fetch_one("SELECT tries, attempts, status FROM deliveries")
    )
    assert row is not None
    assert (row["tries"], row["attempts"], row["status"]) == (0, 9, "pending")
