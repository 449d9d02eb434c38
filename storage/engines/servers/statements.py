"""Statements as the server takes them: `$1` for the first `:name`, and so on."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from storage.database import Params


class Statement(NamedTuple):
    """A statement as the server takes it: `$1` for the first of `names`, and so on."""

    text: bytes
    names: tuple[str, ...]

    def values(self, params: Params) -> list[object]:
        return [params[name] for name in self.names]


# What is quoted or a comment is passed over, and `::` is a cast.
NAMED = re.compile(r"""'[^']*'|"[^"]*"|--[^\n]*|::|:([A-Za-z_]\w*)""")


@lru_cache(maxsize=1024)
def numbered(sql: str) -> Statement:
    """The statement with a number for each `:name`, one for each name."""
    numbers: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return Statement(NAMED.sub(place, sql).encode(), tuple(numbers))
