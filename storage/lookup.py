"""What an engine is asked for: one look-up in the index of words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.query import Term


@dataclass(frozen=True, slots=True)
class Lookup:
    """Messages with all `scopes` and `terms`, between two ids, newest first.

    `conditions` are SQL about the copy `c` and the message `m`, of which `params` has the values.
    `narrow` says by which conditions, of which one must hold, copies could be found as well.
    """

    scopes: tuple[str, ...]
    terms: tuple[Term, ...]
    conditions: str
    params: Mapping[str, Any]
    after: bytes | None
    before: bytes | None
    limit: int
    narrow: tuple[str, ...]
