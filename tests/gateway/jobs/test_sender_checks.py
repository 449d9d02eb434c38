"""The job that checks who wrote what was committed: every message, whatever the DNS does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from gateway.authentication.answers import Dns, DnsAnswer, Kind
from gateway.authentication.result import Hop
from gateway.jobs import sender_check as checks_module
from gateway.jobs.sender_check import Rules, SenderCheck, Sent
from gateway.jobs.sender_checks import IN_FLIGHT, SenderChecks
from storage.authentication import check_queue
from storage.authentication.check_queue import HELD, RETRIES
from storage.content.message_bytes import ContentDirectory
from storage.wakeup import WakeUp
from tests.support.dns_zone import Zone, zone
from tests.support.engines import Engine
from tests.support.post_room import Post, open_post
from tests.support.signing import MESSAGE, rsa_key, sign

KEY = "s1._domainkey.sender.test"


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    async with open_post(engine) as opened:
        yield opened


def names() -> Zone:
    made = zone({"sender.test": "v=spf1 ip4:192.0.2.0/24 -all", KEY: rsa_key().record})
    made.publish("_dmarc.sender.test", "TXT", "v=DMARC1; p=reject")
    return made


@contextlib.asynccontextmanager
async def checking(
    post: Post,
    dns: Dns,
    data: Path,
    commits: WakeUp | None = None,
    auth_results_from: tuple[str, ...] = (),
) -> AsyncIterator[Counter[str]]:
    contents = ContentDirectory(data)
    contents.prepare()
    counts: Counter[str] = Counter()
    job = SenderChecks(
        post.database,
        contents,
        commits or WakeUp(),
        post.clock,
        settings=Settings(),
        counts=counts,
        sender_check=SenderCheck(
            dns, Rules("mx.example.test", auth_results_from), size_limit=1 << 26
        ),
    )
    running = asyncio.create_task(job.run())
    try:
        yield counts
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def rows(post: Post) -> list[dict[str, Any]]:
    found = await post.database.read(
        lambda tx: tx.fetch_all("SELECT * FROM message_checks ORDER BY message_id")
    )
    return [
        {
            "verdict": row["verdict"],
            "tries": row["tries"],
            "held": row["held_until"],
            **(json.loads(bytes(row["record"])) if row["record"] else {}),
        }
        for row in found
    ]


async def verdicts(post: Post) -> list[str | None]:
    return [row["verdict"] for row in await rows(post)]


async def until(met: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await met():  # noqa: ASYNC110  # the store rings no bell
            await asyncio.sleep(0.02)


def all_checked(post: Post, count: int) -> Callable[[], Awaitable[bool]]:
    async def met() -> bool:
        found = await verdicts(post)
        return len(found) == count and None not in found

    return met


async def test_messages_of_before_and_of_now_are_checked_small_and_large(
    post: Post, tmp_path: Path
) -> None:
    commits, signed = WakeUp(), sign()
    assert len(signed) < checks_module.SMALL
    long = sign(MESSAGE + b"One more line.\r\n" * 2_000)
    assert len(long) > checks_module.SMALL
    for _ in range(IN_FLIGHT + 4):
        await post.deliver(signed)
    async with checking(post, names(), tmp_path, commits) as counts:
        await post.deliver(long)
        (tmp_path / "files").mkdir(exist_ok=True)
        (ContentDirectory(tmp_path).files / "long").write_bytes(long)
        await post.deliver(long, file="long")
        await post.deliver(long[:-9] + b"changed\r\n")
        commits.set()
        await until(lambda: _counted(counts, IN_FLIGHT + 7))
        assert counts == {"verified": IN_FLIGHT + 7}
    found = await rows(post)
    assert [one["dkim"][0]["result"] for one in found] == ["pass"] * (IN_FLIGHT + 6) + ["fail"]
    assert found[-1]["spf"]["result"] == found[-1]["dmarc"]["result"] == "pass"
    assert {one["held"] for one in found} == {None}


async def _counted(counts: Counter[str], count: int) -> bool:
    return counts.total() == count


async def test_a_slow_dns_holds_up_no_other_message_and_is_asked_again_later(
    post: Post, tmp_path: Path
) -> None:
    dns = names()
    dns.failing.add(KEY)
    lost = MESSAGE.replace(b"sender.test", b"other.test")
    dns.failing.add("_dmarc.other.test")
    first = await post.deliver(sign())
    await post.deliver(lost)
    async with checking(post, dns, tmp_path):
        await until(all_checked(post, 2))
    found = await rows(post)
    assert [one["verdict"] for one in found] == ["verified", "unknown"], first
    assert found[0]["dkim"][0]["result"] == "temperror"  # SPF passed all the same
    assert (found[1]["held"], found[1]["dmarc"]["result"]) == (post.now + RETRIES[0], "temperror")

    dns.failing.clear()
    post.later(RETRIES[0])
    async with checking(post, dns, tmp_path):
        await until(lambda: _has(post, "unverified"))
    found = await rows(post)
    assert [(one["verdict"], one["tries"], one["held"]) for one in found] == [
        ("verified", 1, None),
        ("unverified", 2, None),
    ]


async def _has(post: Post, verdict: str) -> bool:
    return verdict in await verdicts(post)


class Stuck:
    """A DNS that never answers for one name, and counts who asks."""

    def __init__(self) -> None:
        self.zone, self.asked = names(), 0

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        self.asked += 1
        if name == KEY:
            await asyncio.Event().wait()
        return await self.zone.query(name, kind)


async def test_what_was_under_way_is_checked_after_a_stop_and_after_a_crash(
    post: Post, tmp_path: Path
) -> None:
    for _ in range(3):
        await post.deliver(sign())
    stuck = Stuck()
    async with checking(post, stuck, tmp_path):
        await until(lambda: _asked(stuck))
    assert [(one["tries"], one["held"] <= post.now) for one in await rows(post)] == [(0, True)] * 3

    part = post.database.partition_of(post.tenant_id)
    crashed = await post.database.write(
        lambda tx: check_queue.claim(tx, part=part, limit=2, now=post.now)
    )
    assert len(crashed) == 2
    async with checking(post, names(), tmp_path):
        await until(lambda: _has(post, "verified"))
        assert (await verdicts(post)).count(None) == 2  # another's, as far as anybody knows
    post.later(HELD)
    async with checking(post, names(), tmp_path), checking(post, names(), tmp_path / "b"):
        await until(all_checked(post, 3))
    assert {one["verdict"] for one in await rows(post)} == {"verified"}


async def _asked(stuck: Stuck) -> bool:
    return stuck.asked >= 3


async def test_a_fault_of_ours_and_a_content_that_is_gone_are_unknown(
    post: Post, tmp_path: Path
) -> None:
    await post.deliver(MESSAGE, file="gone")

    class Broken:
        async def query(self, name: str, kind: Kind) -> DnsAnswer:
            raise ZeroDivisionError

    async with checking(post, names(), tmp_path):
        await until(all_checked(post, 1))
    await post.deliver(MESSAGE)
    async with checking(post, Broken(), tmp_path):
        await until(all_checked(post, 2))
    found = await rows(post)
    assert [(one["verdict"], one["spf"]["reason"]) for one in found] == [
        ("unknown", "unreadable"),
        ("unknown", "fault"),
    ]
    assert [one["held"] for one in found] == [one["held"] for one in found if one["held"]]


async def test_a_relay_is_believed_only_with_the_name_that_is_set(
    post: Post, tmp_path: Path
) -> None:
    word = b"Authentication-Results: mx.relay.test; dmarc=fail header.from=sender.test\r\n"
    for _ in range(2):
        await post.deliver(word + sign())
    await post.database.write(
        lambda tx: tx.execute(
            """
            UPDATE messages SET behind_relay = 1
            WHERE message_id = (SELECT message_id FROM messages ORDER BY message_id LIMIT 1)
            """
        )
    )
    async with checking(post, names(), tmp_path, auth_results_from=("mx.relay.test",)):
        await until(all_checked(post, 2))
    found = await rows(post)
    assert [(one["verdict"], one["source"]) for one in found] == [
        ("failed", "relay"),
        ("verified", "computed"),
    ]


async def test_the_process_for_long_messages_ends_when_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks_module, "_IDLE_SECONDS", 0.2)
    check = SenderCheck(names(), Rules("mx.example.test"), size_limit=1 << 20)
    long = sign(MESSAGE + b"One more line.\r\n" * 2_000)
    sent = Sent(long, len(long), Hop(None, "", "", behind_relay=True), is_relayed=False)
    for _ in range(2):  # and is started again
        found = await check.check(sent, now=1_800_000_000_000_000)
        assert [one.result for one in found.authentication.dkim] == ["pass"]
        async with asyncio.timeout(30):
            while check.pid is not None:  # noqa: ASYNC110  # a process rings no bell
                await asyncio.sleep(0.02)
    await check.close()
