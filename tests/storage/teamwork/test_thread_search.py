"""Searching threads: copies and what was opened, in one order, page by page."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Tx
from storage.index.query import parse_query
from storage.mailbox.deletion import delete_copy
from storage.mailbox.grants import grant_thread
from storage.mailbox.visibility import View, thread_messages
from storage.teamwork.thread_list import Filter, list_threads
from storage.teamwork.thread_search import opened_matches
from tests.support.engines import Engine
from tests.support.post_room import ANN, BEN, TEAM, Post, letter, open_post


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    async with open_post(engine) as opened:
        yield opened


async def found(post: Post, text: str, address: str, *, limit: int = 50) -> list[bytes]:
    """All pages of a search; each thread comes once."""
    view = View(post.tenant_id, post.raw[address], post.now)
    wanted = Filter(query=parse_query(text))
    threads: list[bytes] = []
    before = None
    while True:
        page = await post.database.read(
            lambda tx, b=before: list_threads(  # type: ignore[misc]
                tx, view=view, wanted=wanted, before=b, limit=limit
            )
        )
        threads += [one.thread_id for one in page.threads]
        if page.before is None:
            return threads
        before = page.before


async def thread_of(post: Post, message_id: bytes) -> bytes:
    row = await post.database.read(
        lambda tx: tx.fetch_one(
            "SELECT thread_id FROM messages WHERE message_id = :id", {"id": message_id}
        )
    )
    assert row is not None
    return bytes(row["thread_id"])


async def open_to_ben(post: Post, thread_id: bytes) -> None:
    await post.database.write(
        lambda tx: grant_thread(
            tx,
            tenant_id=post.tenant_id,
            thread_id=thread_id,
            to_inbox_id=post.raw[BEN],
            by_inbox_id=post.raw[ANN],
        )
    )


def answer_to(name: str, text: str) -> bytes:
    return letter(text).replace(b"Subject:", f"In-Reply-To: {name}\r\nSubject:".encode(), 1)


@pytest.mark.parametrize("parsed", [True, False])
async def test_what_was_opened_is_found_by_who_may_see_it_only(post: Post, parsed: bool) -> None:
    private = await thread_of(post, await post.deliver(letter("x", subject="Renewal terms"), ANN))
    shared = await thread_of(post, await post.deliver(letter("y", subject="Renewal date"), TEAM))
    await post.deliver(letter("z", subject="Weather"), TEAM)
    if parsed:
        await post.parse_all()
    assert await found(post, "renewal", BEN) == [shared]
    await open_to_ben(post, private)
    for limit in (50, 1):
        assert await found(post, "renewal", BEN, limit=limit) == [shared, private]
        assert await found(post, "subject:terms", BEN, limit=limit) == [private]
        assert await found(post, "renewal nowhere", BEN, limit=limit) == []
    assert await found(post, f"renewal list:{TEAM}", BEN) == [shared]


async def test_a_thread_comes_once_at_its_newest_match(post: Post) -> None:
    first = await post.deliver(letter("apple").replace(b"From:", b"Message-ID: <1@x>\r\nFrom:", 1))
    other = await post.deliver(letter("apple"))
    await post.deliver(answer_to("<1@x>", "apple pie"))
    await post.deliver(answer_to("<1@x>", "no fruit"))
    third = await post.deliver(letter("apple"))
    await post.parse_all()
    order = [await thread_of(post, one) for one in (third, first, other)]
    for limit in (1, 2, 50):
        assert await found(post, "apple", ANN, limit=limit) == order
    assert await found(post, "pie", ANN) == [order[1]]


async def test_opened_messages_and_own_copies_of_a_thread_are_one_place(post: Post) -> None:
    first = await post.deliver(
        letter("apple").replace(b"From:", b"Message-ID: <1@x>\r\nFrom:", 1), ANN
    )
    between = await post.deliver(letter("apple"), TEAM)
    last = await post.deliver(answer_to("<1@x>", "apple"), BEN)
    thread = await thread_of(post, first)
    await open_to_ben(post, thread)
    await post.parse_all()
    for limit in (1, 50):
        assert await found(post, "apple", BEN, limit=limit) == [
            thread,
            await thread_of(post, between),
        ]
    view = View(post.tenant_id, post.raw[BEN], post.now)
    seen = await post.database.read(
        lambda tx: thread_messages(tx, view=view, thread_id=thread, limit=10)
    )
    assert [copy.message_id for copy in seen] == [first, last]
    places = await post.database.read(
        lambda tx: opened_matches(tx, view=view, query=parse_query("apple"))
    )
    assert places == {thread: last}


async def test_conditions_without_words_hold_for_what_was_opened_too(post: Post) -> None:
    private = await post.deliver(letter("x"), ANN)
    await open_to_ben(post, await thread_of(post, private))
    thread = await thread_of(post, private)
    assert await found(post, "after:2027-01-01", BEN) == [thread]
    assert await found(post, "before:2027-01-01", BEN) == []
    assert await found(post, "has:attachment", BEN) == []


async def test_it_is_found_by_who_it_was_opened_to_when_the_giver_has_deleted_it(
    post: Post,
) -> None:
    message = await post.deliver(letter("apple"), ANN, BEN)
    other = await post.deliver(letter("pear"), ANN, BEN)
    thread = await thread_of(post, message)
    await open_to_ben(post, thread)
    await post.parse_all()

    async def both_go(tx: Tx) -> None:
        key = {"tenant_id": post.tenant_id, "message_id": message}
        await delete_copy(tx, inbox_id=post.raw[ANN], **key)

    await post.database.write(both_go)
    assert await found(post, "apple", BEN) == [thread]
    assert await found(post, "apple", ANN) == []
    assert await found(post, "pear", ANN) == [await thread_of(post, other)]
