"""Templates over HTTP."""

import pytest

from tests.admin_api.teamwork.team import Record, delete, fields, get, post, status, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
)

TEMPLATES = "/v1/templates/"
SEED = {
    "name": "Follow-up",
    "subject": "Following up on {topic}",
    "body": "Hi {first_name}, just following up",
    "variables": ["first_name", "topic"],
}


async def made(world: World, **body: object) -> Record:
    answer = await post(world, TENANT_OWNER, TEMPLATES, **body)
    assert answer.status_code == 201, answer.text
    record: Record = answer.json()
    return record


async def rendered(world: World, template: Record, who: str = SALES, **body: object) -> Record:
    answer = await post(world, who, f"{TEMPLATES}{template['template_id']}/", **body)
    assert answer.status_code == 200, answer.text
    record: Record = answer.json()
    return record


async def test_the_seeds_example(world: World) -> None:
    template = await made(world, **SEED)
    assert {key: template[key] for key in SEED} == SEED
    assert template["created_by"] == world.ids[TENANT_OWNER]
    assert template["created_at"] == template["updated_at"]
    context = {"first_name": "Alice", "topic": "your proposal"}
    assert await rendered(world, template, context=context) == {
        "subject": "Following up on your proposal",
        "body": "Hi Alice, just following up",
    }
    assert await rendered(world, template, context={"topic": 1.5}) == {
        "subject": "Following up on 1.5",
        "body": "Hi {first_name}, just following up",
    }


async def test_everything_is_optional_and_variables_are_found(world: World) -> None:
    empty = await made(world)
    assert [empty[key] for key in ("name", "subject", "body", "variables")] == ["", "", "", []]
    found = await made(world, subject="{b}", body="{a} {b} {{c}}")
    assert found["variables"] == ["b", "a"]
    path = f"{TEMPLATES}{found['template_id']}/"
    world.clock.advance(1_000_000)
    async with world.client(TENANT_ADMIN) as api:
        changed = (await api.patch(path, json={"body": "{d}"})).json()
        assert changed["variables"] == ["b", "d"]
        assert changed["updated_at"] > changed["created_at"]
        declared = (await api.patch(path, json={"variables": ["x", "x"]})).json()
        assert declared["variables"] == ["x"]
        assert (await api.patch(path, json={})).status_code == 200
    assert [one["template_id"] for one in await get(world, SALES, TEMPLATES)] == [
        empty["template_id"],
        found["template_id"],
    ]


async def test_admins_change_and_everybody_reads(world: World) -> None:
    template = await made(world, **SEED)
    path = f"{TEMPLATES}{template['template_id']}/"
    for who in (MEMBER, SALES):
        async with world.client(who) as api:
            for answer in (
                await api.post(TEMPLATES, json=SEED),
                await api.patch(path, json={"name": "x"}),
                await api.delete(path),
            ):
                assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
        assert await get(world, who, path) == template
        assert await rendered(world, template, who) is not None
    for who in (STRANGER, FOREIGN_INBOX):
        assert await status(world, who, path) == 404
        assert (await post(world, who, path, context={})).status_code == 404
    assert await get(world, STRANGER, TEMPLATES) == []
    assert await delete(world, TENANT_ADMIN, path) == 204
    assert await status(world, SALES, path) == 404


async def test_a_thread_fills_in_what_the_context_does_not_say(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", subject="Price\r\n of {x}?")
    template = await made(world, subject="Re: {subject}", body="{first_name} <{sender}> {topic}")
    thread_id = thread.split("/")[-2]
    assert await rendered(world, template, thread_id=thread_id) == {
        "subject": "Re: Price  of {x}?",
        "body": "Grace <grace@sender.test> {topic}",
    }
    said = {"first_name": "Ada", "topic": 7}
    assert await rendered(world, template, thread_id=thread_id, context=said) == {
        "subject": "Re: Price  of {x}?",
        "body": "Ada <grace@sender.test> 7",
    }
    path = f"{TEMPLATES}{template['template_id']}/"
    foreign = await thread_with(world, FOREIGN_INBOX, tenant="Other")
    answers = [
        await post(world, SUPPORT, path, thread_id=one)
        for one in (thread_id, foreign.split("/")[-2], "thr_" + "0" * 26, "x")
    ]
    assert {one.content for one in answers} == {answers[0].content}
    assert fields(answers[0]) == ["thread_id"]
    without = await post(world, TENANT_OWNER, path, thread_id=thread_id)
    assert (without.status_code, without.json()["code"]) == (400, "inbox_required")
    acting = {"thread_id": thread_id, "inbox_id": SALES}
    assert (await rendered(world, template, TENANT_OWNER, **acting))["body"].startswith("Grace")
    assert await rendered(world, template, AGENT) == {
        "subject": "Re: {subject}",
        "body": "{first_name} <{sender}> {topic}",
    }


@pytest.mark.parametrize("value", [None, True, [], {}, ["x"]])
async def test_a_value_is_a_string_or_a_number(world: World, value: object) -> None:
    template = await made(world, **SEED)
    path = f"{TEMPLATES}{template['template_id']}/"
    answer = await post(world, SALES, path, context={"topic": value, "first_name": value})
    assert sorted(fields(answer)) == ["context.first_name", "context.topic"]


async def test_numbers_are_written_as_json_writes_them(world: World) -> None:
    template = await made(world, body="{a} {b} {c} {d}")
    context = {"a": 0, "b": -2.5, "c": 2**62, "d": 1e300, "any key at all": "x", "": 1}
    assert (await rendered(world, template, context=context))["body"] == f"0 -2.5 {2**62} 1e+300"


async def test_what_grows_beyond_a_mebibyte_is_400(world: World) -> None:
    template = await made(world, body="{a}" * 60_000)
    path = f"{TEMPLATES}{template['template_id']}/"
    assert fields(await post(world, SALES, path, context={"a": "x" * 1000})) == ["context"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": 1}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"body": 1}, "body"),
        ({"variables": "x"}, "variables"),
        ({"variables": ["first name"]}, "variables[0]"),
        ({"variables": ["ok", 1]}, "variables[1]"),
        ({"template_id": "x"}, "template_id"),
        ({"created_by": "x"}, "created_by"),
    ],
)
async def test_a_template_that_is_none_is_400(
    world: World, body: dict[str, object], field: str
) -> None:
    assert fields(await post(world, TENANT_OWNER, TEMPLATES, **body)) == [field]
