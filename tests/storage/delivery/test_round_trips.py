"""How often a delivery asks the store: across a network each time is a round trip."""

from pathlib import Path
from typing import cast

from storage.database import Tx
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import Arrival
from tests.builders import TEAM, World, open_world
from tests.storage.delivery.arriving import US, count, mail, rows
from tests.support.engines import Databases, Engine


class Counted:
    """A transaction that counts what goes to the store."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        self.asked += name.startswith(("execute", "fetch"))
        return getattr(self._tx, name)


async def asked_for(world: World, messages: int) -> int:
    """Deliver so many messages of one thread in one transaction; how often it asked."""
    arrivals: list[Arrival] = [
        mail(world, TEAM, body=b"%d of %d" % (number, messages))._replace(
            header_message_id=f"<{number}.{messages}@sender.test>",
            references=(f"<root.{messages}@sender.test>",),
        )
        for number in range(messages)
    ]

    async def work(tx: Tx) -> int:
        counted = Counted(tx)
        await delivery.deliver(
            cast(Tx, counted),
            arrivals,
            confirmed=(),
            owner=US,
            is_open=lambda _: False,
            postmaster="",
        )
        return counted.asked

    return await world.database.write(work)


async def test_twenty_messages_ask_postgresql_as_often_as_two(
    databases: Databases, tmp_path: Path
) -> None:
    url = databases.make()
    try:
        async with open_world(Engine("postgresql", url, tmp_path)) as world:
            few, many = await asked_for(world, 2), await asked_for(world, 20)

            assert few == many
            assert await count(world, "copies") == 2 * 22
            sql = "SELECT COUNT(DISTINCT thread_id) AS threads FROM messages"
            assert [row["threads"] for row in await rows(world, sql)] == [2]
    finally:
        databases.give_back(url)
