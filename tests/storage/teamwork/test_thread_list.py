"""The thread list asks the store as often for many threads as for few."""

from typing import Any, cast

from storage.database import Tx
from storage.index.query import Query
from storage.mailbox.visibility import View
from storage.teamwork.thread_list import Filter, list_threads
from tests.builders import SALES, TEAM, World, deliver, open_world
from tests.support.engines import Engine


class Counted:
    """A transaction that counts its statements."""

    def __init__(self, tx: Tx) -> None:
        self.tx, self.count = tx, 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        self.count += name in {"execute", "fetch_one", "fetch_all"}
        return getattr(self.tx, name)


WANTED = {
    "all": Filter(),
    "open and unassigned": Filter(status="open", unassigned=True),
    "a folder": Filter(query=Query(folders=frozenset({"inbox"}))),
    "unread": Filter(query=Query(marks=frozenset({"unread"}))),
    "none flagged": Filter(unflagged=True),
}


async def statements(world: World, wanted: Filter, limit: int) -> tuple[int, int]:
    """How many statements two pages take, and how many threads they have."""
    view = View(world.tenant_id, world.raw[SALES], world.clock())

    async def work(tx: Tx) -> tuple[int, int]:
        counted = Counted(tx)
        one = await list_threads(
            cast(Tx, counted), view=view, wanted=wanted, before=None, limit=limit
        )
        two = await list_threads(
            cast(Tx, counted), view=view, wanted=wanted, before=one.before, limit=limit
        )
        return counted.count, len(one.threads) + len(two.threads)

    return await world.database.read(work)


async def test_many_threads_take_as_many_statements_as_few(engine: Engine) -> None:
    async with open_world(engine) as world:
        for number in range(24):
            await deliver(world, TEAM.lower(), subject=f"{number}")
        for name, wanted in WANTED.items():
            few, many = await statements(world, wanted, 2), await statements(world, wanted, 11)
            assert (few[1], many[1]) == (4, 22), name
            assert many[0] <= few[0], name
