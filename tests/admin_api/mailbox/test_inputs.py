"""Mail as it really is, through delivery and parser: what a user sees of it over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2

from storage.clock import MINUTE
from tests.builders import SALES, World, count_all, receive
from tests.support.inputs import DIRECTORY, MESSAGES, THREADS, Right, content
from tests.support.post_room import parse_waiting

Json = dict[str, Any]  # one JSON object; the border of the API
TEAM = "team@example.test"


def test_every_message_has_a_right_answer() -> None:
    assert {file.stem for file in DIRECTORY.glob("*.eml")} == set(MESSAGES)


async def test_mail_as_it_really_is_shown_as_its_writer_meant_it(world: World) -> None:
    ids = {name: await receive(world, TEAM, body=content(name)) for name in MESSAGES}
    await parse_waiting(world.database, world.clock())
    await count_all(world)

    wrong: list[str] = []
    async with world.client(SALES) as api:
        items = {
            item["message_id"]: item
            for item in (await api.get("/v1/messages/", params={"limit": 200})).json()["results"]
        }
        for name, right in MESSAGES.items():
            world.clock.advance(MINUTE)  # or there would be too many calls
            item = items[ids[name]]
            message = (await api.get(f"/v1/messages/{ids[name]}/")).json()
            raw = await api.get(f"/v1/messages/{ids[name]}/raw/")
            assert raw.content.endswith(content(name)), name
            wrong += [f"{name}: {one}" for one in shown_wrong(item, message, right)]
            wrong += [f"{name}: {one}" for one in await files_wrong(api, message, right)]
            wrong += [f"{name}: {one}" for one in await not_found(api, ids[name], right)]
            wrong += [f"{name}: {one}" for one in await wrongly_known(api, message, right)]
    assert wrong == []


def shown_wrong(item: Json, message: Json, right: Right) -> list[str]:
    wrong = []
    if right.text is not None and message["text_body"] != right.text:
        wrong.append(f"text {message['text_body']!r}")
    if right.html is not None and right.html not in (message["html_body"] or ""):
        wrong.append(f"html {message['html_body']!r}")
    if right.preview is not None and not item["preview"].startswith(right.preview):
        wrong.append(f"preview {item['preview']!r}")
    for one in (item, message):
        sender = (one["from"]["name"], one["from"]["email"])
        if right.subject is not None and one["subject"] != right.subject:
            wrong.append(f"subject {one['subject']!r}")
        if right.sender is not None and sender != right.sender:
            wrong.append(f"sender {sender}")
        to = tuple((mailbox["name"], mailbox["email"]) for mailbox in one["to"])
        if right.to is not None and to != right.to:
            wrong.append(f"to {to}")
        has = bool(right.files) if right.has_attachments is None else right.has_attachments
        if one["has_attachments"] != has:
            wrong.append(f"has_attachments {one['has_attachments']}")
    return wrong


async def files_wrong(api: httpx2.AsyncClient, message: Json, right: Right) -> list[str]:
    found = []
    for file in message["attachments"]:
        address = f"/v1/messages/{message['message_id']}/attachments/{file['attachment_id']}/"
        octets = (await api.get(address)).content
        assert len(octets) == file["size"]
        found.append((file["filename"], octets))
    return [] if tuple(found) == right.files else [f"files {found}"]


async def not_found(api: httpx2.AsyncClient, message_id: str, right: Right) -> list[str]:
    wrong = []
    for words in right.found:
        answer = await api.get("/v1/messages/", params={"q": words, "limit": 200})
        if message_id not in {item["message_id"] for item in answer.json()["results"]}:
            wrong.append(f"not found by {words}")
    return wrong


async def wrongly_known(api: httpx2.AsyncClient, message: Json, right: Right) -> list[str]:
    if right.acquainted is None:
        return []
    answer = await api.get(f"/v1/relationships/{message['from']['email']}/")
    is_known = answer.status_code == 200 and answer.json()["message_count"] > 0
    return [] if is_known == right.acquainted else [f"relationship {answer.text}"]


async def test_replies_are_in_the_thread_of_what_they_answer(world: World) -> None:
    for stem, count in THREADS.items():
        for number in range(1, count + 1):
            await receive(world, TEAM, body=content(f"{stem}-{number}"))

    async with world.client(SALES) as api:
        answer = await api.get("/v1/messages/", params={"limit": 200})
        items = answer.json()["results"]
        threads = (await api.get("/v1/messages/threads/")).json()["results"]

    assert len(items) == sum(THREADS.values())
    assert sorted(one["message_count"] for one in threads) == sorted(THREADS.values())
