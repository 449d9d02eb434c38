"""A process that gives a list one new spelling after another: python -m tests.support.renaming.

Arguments: the data directory, the list's address, and the file that says how many are done. It
works until it is killed. The spelling names its number, which only rises.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from pathlib import Path

from storage.clock import system_clock
from storage.database import Tx
from storage.engines.opening import open_database

DONE = struct.Struct("=Q")


def spelled(address: str, number: int) -> str:
    """The address with that number in it."""
    local_part, _, domain = address.partition("@")
    return f"{local_part}+{number}@{domain}"


def number_in(text: str) -> int:
    """The number in a spelling; 0 where there is none."""
    return int(text.partition("@")[0].partition("+")[2] or 0)


async def rename(data: Path, address: str, done: Path) -> None:
    """Rename for ever."""

    async def work(tx: Tx) -> int:
        row = await tx.fetch_one(
            "SELECT address FROM lists WHERE canonical = :canonical", {"canonical": address}
        )
        assert row is not None
        number = number_in(row["address"]) + 1
        await tx.execute(
            "UPDATE lists SET address = :text WHERE canonical = :canonical",
            {"text": spelled(address, number), "canonical": address},
        )
        return number

    database = await open_database("sqlite", data, system_clock)
    descriptor = os.open(done, os.O_WRONLY | os.O_CREAT)
    while True:
        os.pwrite(descriptor, DONE.pack(await database.write(work)), 0)
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(rename(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
