"""Fragments of SQL that both engines read alike, and how long lists of ids are cut for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

Key = TypeVar("Key", bytes, str)


def in_list(ids: Collection[bytes] | Collection[str]) -> tuple[str, dict[str, object]]:
    """The inside of `IN (…)` for these ids or words, and the parameters that it names."""
    names: dict[str, object] = {f"in{number}": one for number, one in enumerate(ids)}
    return ", ".join(f":{name}" for name in names), names


def padded(ids: Sequence[Key]) -> list[Key]:
    """The same ids, the last one repeated up to a power of two.

    So lists of any length make a few statements, which an engine prepares once.
    """
    most = 1 << max(0, len(ids) - 1).bit_length()
    last = list(ids[-1:])
    return list(ids) + last * (most - len(ids)) if ids else []


def chunks(ids: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """Cut `ids` into runs of at most `size`: an engine takes so many parameters a statement."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
