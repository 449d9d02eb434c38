"""Where a store is: what the settings `store` and `data` say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A store, and the data directory of one of its gateways."""

    store: str
    data: Path
