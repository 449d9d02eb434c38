"""A token that sends by the API meets its limits, each with its code and its field."""

from tests.builders import SALES, TEAM, TENANT_OWNER, World, deliver
from tests.support.cases import cases

MESSAGES = "/v1/messages/"


async def test_a_token_is_told_why_it_may_not_send(world: World) -> None:
    message = await deliver(world, TEAM.lower())
    letter = {"reply_to_message_id": message, "text_body": "In March."}
    stranger = {**letter, "to": [{"email": "grace@sender.test"}], "cc": [{"email": "eve@x.test"}]}
    own = f"/v1/tokens/{world.ids[f'token of {SALES}']}/"
    async with world.client(TENANT_OWNER) as owner, world.client(SALES) as token:
        with cases() as case:
            with case("a stranger"):
                refused = await token.post(MESSAGES, json=stranger)
                assert (refused.status_code, refused.json()["code"]) == (
                    403,
                    "recipient_not_allowed",
                )
                assert [one["field"] for one in refused.json()["errors"]] == ["cc[0].email"]
            with case("five in a thread"):
                for _ in range(5):
                    assert (await token.post(MESSAGES, json=letter)).status_code == 201
                refused = await token.post(MESSAGES, json=letter)
                assert (refused.status_code, refused.json()["code"]) == (429, "thread_budget")
                assert int(refused.headers["retry-after"]) > 0
            with case("a person between"):
                person = {**letter, "inbox_id": SALES}
                assert (await owner.post(MESSAGES, json=person)).status_code == 201
                assert (await token.post(MESSAGES, json=letter)).status_code == 201
            with case("as many as in an hour"):
                await owner.patch(own, json={"send_rate": 6})
                refused = await token.post(MESSAGES, json=letter)
                assert (refused.status_code, refused.json()["code"]) == (429, "send_rate")
