"""The job that parses what was committed: every message once, none in another's way."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.jobs import parsing as workers
from gateway.jobs.parsing import Parsing
from gateway.parser.message import parse
from storage.clock import SECOND
from storage.content.message_bytes import Content, ContentDirectory, content_name
from storage.content.places import Places, open_contents
from storage.cursors import WHOLE
from storage.database import Row, Tx
from storage.errors import StoreUnavailable
from storage.index.query import parse_query
from storage.mailbox import parse_queue, parsed
from storage.mailbox.parse_queue import Wanted
from storage.mailbox.search import SearchFilter, search_messages
from storage.wakeup import WakeUp
from tests.gateway.parser.test_process import SLOW
from tests.support.engines import Engine
from tests.support.post_room import ANN, Post, letter, open_post


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    async with open_post(engine) as opened:
        yield opened


def contents_of(post: Post, data: Path) -> ContentDirectory:
    contents = open_contents(data, keep_in="database", reader=post.database, store=post.database)
    contents.prepare()
    return contents


@contextlib.asynccontextmanager
async def parsing(
    post: Post, commits: WakeUp, data: Path, under_way: Callable[[], int] = lambda: 0
) -> AsyncIterator[Parsing]:
    job = Parsing(
        post.database,
        contents_of(post, data),
        commits,
        post.clock,
        size_limit=1024 * 1024,
        under_way=under_way,
    )
    running = asyncio.create_task(job.run())
    try:
        yield job
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def rows(post: Post) -> list[Row]:
    return await post.database.read(
        lambda tx: tx.fetch_all(
            """
            SELECT m.message_id, m.parse_status, m.preview, a.tries, a.reason
            FROM messages m LEFT JOIN parse_attempts a ON a.message_id = m.message_id
            ORDER BY m.message_id
            """
        )
    )


async def until(met: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await met():  # noqa: ASYNC110  # the store rings no bell
            await asyncio.sleep(0.02)


async def statuses(post: Post) -> list[str]:
    return [row["parse_status"] for row in await rows(post)]


def settled(post: Post) -> Callable[[], Awaitable[bool]]:
    async def met() -> bool:
        return "pending" not in await statuses(post)

    return met


async def test_what_waits_and_what_comes_is_parsed(post: Post, tmp_path: Path) -> None:
    commits = WakeUp()
    for number in range(30):
        await post.deliver(letter(f"before {number}"))

    async with parsing(post, commits, tmp_path):
        await until(settled(post))
        await post.deliver(letter("after"))
        commits.set()
        await until(settled(post))

    found = await rows(post)
    assert [row["preview"] for row in found] == [f"before {n}" for n in range(30)] + ["after"]
    assert {row["parse_status"] for row in found} == {"parsed"}
    assert {row["tries"] for row in found} == {None}


async def test_a_content_in_the_database_is_fetched_and_one_out_of_reach_is_tried_again(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_OUT_OF_REACH", 0)
    monkeypatch.setattr(workers, "_SOON_SECONDS", 0.05)
    monkeypatch.setattr(workers, "_POLL_SECONDS", 0.05)
    contents = contents_of(post, tmp_path)
    for number in range(2):
        large = letter(f"large {number}") + b"x" * 300_000
        spool = contents.new_spool(b"%016d" % number)
        await asyncio.to_thread(spool.finish, [large])
        received = Content(sha256(large).digest(), len(large), None, "")
        content = await contents.put(spool, received, now=post.now)
        await post.deliver(large, file=content.file)
    chunks, asked = Places.chunks, list[int]()

    def away(places: Places, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        asked.append(start)
        if len(asked) < 3:
            raise StoreUnavailable("out of reach")
        return chunks(places, content, start, end)

    monkeypatch.setattr(Places, "chunks", away)

    async with parsing(post, WakeUp(), tmp_path):
        await until(settled(post))

    found = await rows(post)
    assert [row["parse_status"] for row in found] == ["parsed", "parsed"]
    assert [row["preview"][:7] for row in found] == ["large 0", "large 1"]
    assert not any(contents.spool.iterdir())


async def test_a_file_of_another_gateway_is_left_to_it_for_an_hour(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_POLL_SECONDS", 0.05)
    if post.database.partition_of(bytes(16)) == WHOLE:
        pytest.skip("there is one gateway")
    large = letter("large") + b"x" * 300_000
    name = content_name(bytes(16).hex())
    await post.deliver(large, file=name)
    await post.deliver(letter("small"))

    async with parsing(post, WakeUp(), tmp_path / "other"):
        await until(lambda: has_parsed_one(post))
        await asyncio.sleep(0.3)
    (waiting, _) = await rows(post)
    assert (waiting["parse_status"], waiting["reason"]) == ("pending", None)

    # Only now: who ends in the middle of a claim would keep it for longer than this test waits.
    post.later(workers._OUT_OF_REACH)
    there = contents_of(post, tmp_path / "own").files / name
    there.parent.mkdir()
    there.write_bytes(large)
    async with parsing(post, WakeUp(), tmp_path / "own"):
        await until(settled(post))
    assert await statuses(post) == ["parsed", "parsed"]


async def has_parsed_one(post: Post) -> bool:
    return "parsed" in await statuses(post)


@pytest.mark.parametrize(("longest", "looks"), [(10, 4), (10_000, 0)])
async def test_a_long_content_waits_while_others_arrive(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int, looks: int
) -> None:
    monkeypatch.setattr("gateway.jobs.parsing._LONG_OCTETS", longest)
    monkeypatch.setattr("gateway.jobs.parsing._LOOK_AGAIN_SECONDS", 0.01)
    left = [3, 2, 1, 0]
    asked: list[int] = []

    def under_way() -> int:
        asked.append(left.pop(0))
        return asked[-1]

    await post.deliver(letter("long"))
    async with parsing(post, WakeUp(), tmp_path, under_way):
        await until(settled(post))

    assert len(asked) == looks


async def test_a_message_that_kills_the_parser_is_partial_in_the_end_and_delays_no_other(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RETRY_AFTER", 0)
    monkeypatch.setattr(workers, "_SOON_SECONDS", 0.05)
    await post.deliver(letter("one"))
    await post.deliver(SLOW)
    await post.deliver(letter("two"))

    async with parsing(post, WakeUp(), tmp_path):
        await until(settled(post), 240.0)

    assert await statuses(post) == ["parsed", "partial", "parsed"]


async def test_a_message_that_cannot_be_parsed_is_parked_after_five_tries(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RETRY_AFTER", 0)
    monkeypatch.setattr(workers, "_SOON_SECONDS", 0.05)
    monkeypatch.setattr("gateway.jobs.fetching._WITH_OTHERS", 0)
    lost = await post.deliver(letter("x", subject="Lost"), file="00/missing")
    await post.deliver(letter("two"))

    async with parsing(post, WakeUp(), tmp_path):
        await until(settled(post))

    first, second = await rows(post)
    assert (first["parse_status"], second["parse_status"]) == ("unparsed", "parsed")
    assert (first["tries"], first["reason"]) == (5, "FileNotFoundError in the parser")
    found = await post.database.read(
        lambda tx: search_messages(
            tx,
            tenant_id=post.tenant_id,
            inbox_id=post.raw[ANN],
            wanted=SearchFilter(query=parse_query("subject:lost from:grace")),
            before=None,
            limit=5,
            now=0,
        )
    )
    assert found == [lost]


async def test_a_result_that_cannot_be_kept_takes_no_other_with_it(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RETRY_AFTER", 0)
    monkeypatch.setattr(workers, "_SOON_SECONDS", 0.05)
    bad = await post.deliver(letter("bad"))
    await post.deliver(letter("good"))
    keep = parsed.record

    async def record(tx: Tx, results):  # type: ignore[no-untyped-def]
        if any(claimed.message_id == bad for claimed, _ in results):
            raise ValueError("not such as the store can keep")
        await keep(tx, results)

    monkeypatch.setattr(parsed, "record", record)
    async with parsing(post, WakeUp(), tmp_path):
        await until(settled(post))

    first, second = await rows(post)
    assert (first["parse_status"], first["reason"]) == (
        "unparsed",
        "ValueError when the result was kept",
    )
    assert second["parse_status"] == "parsed"


async def test_parsing_goes_on_when_the_store_is_back(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.background._AWAY_SECONDS", 0.05)
    claim, faults = parse_queue.claim, iter([True, True])

    async def failing(tx: Tx, wanted: Wanted, **rest: Any) -> dict[bytes, int]:  # noqa: ANN401
        if next(faults, False):
            raise StoreUnavailable("locked")
        return await claim(tx, wanted, **rest)

    monkeypatch.setattr(parse_queue, "claim", failing)
    await post.deliver(letter())
    async with parsing(post, WakeUp(), tmp_path):
        await until(settled(post))


async def test_two_who_claim_get_different_messages(post: Post) -> None:
    for _ in range(5):
        await post.deliver(letter())

    first, second = await post.claim(limit=3), await post.claim(limit=3)

    assert (len(first), len(second)) == (3, 2)
    assert not {one.message_id for one in first} & {one.message_id for one in second}
    assert await post.claim() == []


async def test_what_a_lost_process_held_is_claimed_again_after_a_while(post: Post) -> None:
    await post.deliver(letter())
    (first,) = await post.claim()
    post.later(61 * SECOND)
    (second,) = await post.claim()

    assert (first.tries, second.tries) == (1, 2)
    result = parse(second.content.body or b"", lambda: True)
    for claimed in (first, second):
        await post.database.write(
            lambda tx, one=claimed: parsed.record(tx, [(one, result)])  # type: ignore[misc]
        )
    assert await statuses(post) == ["parsed"]


async def test_what_was_held_whenever_a_gateway_was_killed_is_parsed_in_the_end(post: Post) -> None:
    sent = await post.deliver(letter())
    for _ in range(parse_queue.TRIES + 1):
        assert [one.message_id for one in await post.claim()] == [sent]
        post.later(61 * SECOND)

    await post.parse_all()

    assert await statuses(post) == ["parsed"]


async def test_a_failure_after_many_lost_holders_is_the_last(post: Post) -> None:
    await post.deliver(letter())
    for _ in range(parse_queue.TRIES):
        await post.claim()
        post.later(61 * SECOND)
    (claimed,) = await post.claim()

    assert await post.database.write(
        lambda tx: parse_queue.fail(tx, claimed, reason="died", retry_at=post.now)
    )
    assert await statuses(post) == ["unparsed"]


async def test_what_is_given_back_was_not_tried(post: Post) -> None:
    await post.deliver(letter())
    claims = await post.claim()
    await post.database.write(lambda tx: parse_queue.release(tx, claims, now=post.now))

    (again,) = await post.claim()

    assert again.tries == 1


async def test_parts_are_kept_and_read_back(post: Post) -> None:
    sent = await post.deliver(
        b"Reply-To: Desk <desk@sender.test>\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hello\r\n"
        b'--b\r\nContent-Type: a/b; name="c.bin"\r\n\r\nabc\r\n--b--\r\n'
    )
    await post.parse_all()

    body = await post.database.read(
        lambda tx: parsed.find_body(tx, tenant_id=post.tenant_id, message_id=sent)
    )
    (attachment,) = await post.database.read(
        lambda tx: parsed.list_attachments(tx, tenant_id=post.tenant_id, message_id=sent)
    )

    assert (body.text, body.html) == ("Hello", "<p>Hello</p>")
    assert body.reply_to == (("Desk", "desk@sender.test"),)
    assert (attachment.part.filename, attachment.part.size) == ("c.bin", 3)
