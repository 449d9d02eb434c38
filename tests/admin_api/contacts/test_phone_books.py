"""Phone books as programs export them: taken in once, and given back whole."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.builders import SALES, SUPPORT, World
from tests.support.phone_books import PROGRAMS, fields_of, phone_book, without

Record = dict[str, Any]  # one JSON object; the border of the API
CONTACTS = "/v1/contacts/"
INPUTS = Path(__file__).parents[2] / "inputs"


async def imported(api: httpx2.AsyncClient, file: bytes) -> Record:
    answer = await api.post(
        f"{CONTACTS}import/", content=file, headers={"Content-Type": "text/vcard"}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def exported(api: httpx2.AsyncClient, version: str = "4.0") -> str:
    return (await api.get(f"{CONTACTS}export/", params={"version": version})).text


async def goes_in_and_out(world: World, program: str, count: int) -> None:
    book = await asyncio.to_thread(phone_book, program, count)
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        first = await imported(api, book.octets)
        assert first["created"] == count, [
            one for one in first["results"] if one["status"] != "created"
        ][:3]
        assert {one["message"] for one in first["results"]} == {None}
        again = await imported(api, book.octets)
        assert (again["created"], again["unchanged"]) == (0, count), again["results"][:3]
        export = await exported(api)
        for fields, found in zip(book.fields, fields_of(export), strict=True):
            assert [*without(fields, found)] == []
        assert (await imported(api, export.encode()))["unchanged"] == count
        ancient = await exported(api, "3.0")
        assert (await imported(api, ancient.encode()))["unchanged"] == count
        assert (await imported(other, ancient.encode()))["created"] == count
        moved = fields_of(await exported(other))
        for fields, found in zip(book.fields, moved, strict=True):
            assert [*without(fields, found)] == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_phone_book_is_taken_in_once_and_given_back_whole(
    world: World, program: str
) -> None:
    await goes_in_and_out(world, program, 60)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_phone_book_of_ten_thousand_is_taken_in_once_and_given_back_whole(
    world: World, program: str
) -> None:
    await goes_in_and_out(world, program, 10_000)
