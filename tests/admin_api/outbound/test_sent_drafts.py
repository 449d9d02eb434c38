"""Letters that were drafts, and letters too large to send; refusals as the document has them."""

from config.values import Endpoint
from tests.admin_api.outbound.test_letters import GRACE, MESSAGES, question, sending_world, show
from tests.builders import SALES, open_world
from tests.support.engines import Engine

DRAFTS = "/v1/messages/threads/{}/drafts/"


async def test_a_draft_is_sent_only_by_one_who_read_its_latest_text(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        thread = (await show(world, SALES, asked))["thread_id"]
        async with world.client(SALES) as api:
            made = await api.post(DRAFTS.format(thread), json={"text_body": "In March."})
            path = f"/v1/drafts/{made.json()['draft_id']}/"
            read = {"If-Match": made.headers["ETag"]}
            changed = await api.patch(path, json={"text_body": "In May."}, headers=read)
            letter = {
                "reply_to_message_id": asked,
                "text_body": "In May.",
                "draft_id": made.json()["draft_id"],
            }

            bare = await api.post(MESSAGES, json=letter)
            assert (bare.status_code, bare.json()["code"]) == (428, "precondition_required")
            late = await api.post(MESSAGES, json=letter, headers=read)
            assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
            assert late.json()["changed_by"]["inbox_id"]
            assert (await api.get(path)).json()["text_body"] == "In May."
            latest = {"If-Match": changed.headers["ETag"]}
            assert (await api.post(MESSAGES, json=letter, headers=latest)).status_code == 201
            assert (await api.get(path)).status_code == 404


async def test_a_letter_of_a_draft_needs_its_tag_before_its_fields_count(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        thread = (await show(world, SALES, asked))["thread_id"]
        async with world.client(SALES) as api:
            made = await api.post(DRAFTS.format(thread), json={"text_body": "In March."})
            draft_id, read = made.json()["draft_id"], {"If-Match": made.headers["ETag"]}
            faulty = {"to": [{"email": "no address"}], "surprise": 1, "undo_seconds": -1}

            for named in (draft_id, "drf_unknown", 7):
                bare = await api.post(MESSAGES, json=faulty | {"draft_id": named})
                assert (bare.status_code, bare.json()["code"]) == (428, "precondition_required")
            stale = {"If-Match": '"older"'}
            late = await api.post(MESSAGES, json=faulty | {"draft_id": draft_id}, headers=stale)
            assert (late.status_code, late.json()["changed_by"]["address"]) == (412, SALES)
            known = await api.post(MESSAGES, json=faulty | {"draft_id": draft_id}, headers=read)
            assert {one["field"] for one in known.json()["errors"]} == {"surprise", "undo_seconds"}
            other = faulty | {"draft_id": "drf_unknown"}
            unknown = await api.post(MESSAGES, json=other, headers=read)
            told = {one["field"] for one in unknown.json()["errors"]}
            assert told == {"draft_id", "surprise", "undo_seconds"}


async def test_a_letter_larger_than_the_limit_is_413(engine: Engine) -> None:
    here = Endpoint("127.0.0.1", 1)
    async with (
        open_world(engine, smarthost=here, size_limit=100_000) as world,
        world.client(SALES) as api,
    ):
        made = await api.post(
            "/v1/uploads/", params={"filename": "large.bin"}, content=b"x" * 100_000
        )
        files = [{"upload_id": made.json()["upload_id"]}]
        letter = {"to": [GRACE], "text_body": "Here.", "attachments": files}

        refused = await api.post(MESSAGES, json=letter)

        assert (refused.status_code, refused.json()["code"]) == (413, "letter_too_large")
