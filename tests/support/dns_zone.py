"""The DNS as the checks of mail are given it: a zone in memory that can fail, wait and shuffle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.authentication.answers import DnsAnswer, Kind

VECTORS = Path(__file__).parent.parent / "vectors"


@dataclass(slots=True)
class Zone:
    """Records by name and type. `failing` names never answer; `asked` are the queries.

    With `chance` answers are shuffled and come late, in any order.
    """

    records: dict[tuple[str, str], tuple[str | bytes, ...]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    chance: random.Random | None = None
    hangs: bool = False

    def publish(self, name: str, kind: str, *values: str | bytes) -> None:
        """Let a name have these records; text of a TXT record becomes octets."""
        shown = (one.encode() if isinstance(one, str) and kind == "TXT" else one for one in values)
        self.records[name.lower(), kind] = tuple(shown)

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        """See `Dns.query`."""
        self.asked.append((name, kind))
        if self.hangs:
            await asyncio.Event().wait()
        if self.chance is not None:
            for _ in range(self.chance.randrange(4)):
                await asyncio.sleep(0)
        if name.lower() in self.failing:
            return DnsAnswer(state="failed")
        found = list(self.records.get((name.lower(), kind), ()))
        if found:
            if self.chance is not None:
                self.chance.shuffle(found)
            return DnsAnswer(tuple(found))
        known = any(one == name.lower() for one, _ in self.records)
        return DnsAnswer(state="no_records" if known else "no_such_name")


def zone(texts: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Zone:
    """A zone with these TXT records."""
    made = Zone()
    for name, text in dict(texts).items():
        made.publish(name, "TXT", text)
    return made


def key_file(path: Path) -> Zone:
    """The zone of a `keys.txt`: on each line a name and its TXT record."""
    lines = path.read_text().splitlines()
    return zone(line.split(" ", 1) for line in lines)  # type: ignore[misc]
