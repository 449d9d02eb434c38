"""Renderings that tabs share: made once, never older than what a tab was told of."""

import asyncio
import gzip

import pytest

from admin_api.console.live.shared_rows import SharedRows


class Maker:
    """Makes numbered texts; `gate` holds it back, `fails` makes the next one fail."""

    def __init__(self) -> None:
        self.made, self.fails = 0, False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        self.made += 1
        text = str(self.made)
        await self.gate.wait()
        if self.fails:
            raise ValueError(text)
        return text


class Told:
    """What the feed has read, and the time."""

    def __init__(self) -> None:
        self.position, self.now = b"e5", 0.0

    def shared(self) -> SharedRows:
        return SharedRows(lambda _: self.position, lambda: self.now)


async def got(shared: SharedRows, make: Maker, since: bytes, key: str = "a") -> str:
    return gzip.decompress(await shared.get(key, make, tenant_id=b"t", since=since)).decode()


async def test_tabs_that_were_told_of_the_same_event_get_one_rendering() -> None:
    told, make = Told(), Maker()
    shared = told.shared()
    make.gate.clear()
    asked = [asyncio.create_task(got(shared, make, b"e5")) for _ in range(20)]
    await asyncio.sleep(0)
    make.gate.set()
    assert await asyncio.gather(*asked) == ["1"] * 20
    assert await got(shared, make, b"e4") == "1"  # told late of something earlier
    assert await got(shared, make, b"e5", key="b") == "2"
    told.position = b"e6"
    assert await got(shared, make, b"e6") == "3"
    told.now = 60.0
    assert await got(shared, make, b"e6") == "4"


async def test_whoever_names_no_event_gets_one_that_began_after_the_question() -> None:
    told, make = Told(), Maker()
    shared = told.shared()
    make.gate.clear()
    first = asyncio.create_task(got(shared, make, b""))
    await asyncio.sleep(0)
    later = [asyncio.create_task(got(shared, make, b"")) for _ in range(5)]
    await asyncio.sleep(0)
    make.gate.set()
    assert await first == "1"
    assert await asyncio.gather(*later) == ["2"] * 5
    assert await got(shared, make, b"") == "3"


async def test_a_fault_goes_to_all_who_wait_and_is_not_kept() -> None:
    told, make = Told(), Maker()
    shared = told.shared()
    make.fails = True
    both = await asyncio.gather(
        *(got(shared, make, b"e5") for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in both] == [ValueError, ValueError]
    make.fails = False
    assert await got(shared, make, b"e5") == "2"


async def test_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_api.console.live.shared_rows._MOST", 2)
    told, make = Told(), Maker()
    shared = told.shared()
    for key in "abc":
        await got(shared, make, b"e5", key=key)
    assert await got(shared, make, b"e5", key="c") == "3"
    assert await got(shared, make, b"e5", key="a") == "4"
