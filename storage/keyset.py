"""Which part of a listing that runs in the order of its ids; left out, all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyset:
    """At most `limit` entries (None: all), those whose id is above `after`."""

    after: bytes | None = None
    limit: int | None = None

    def sql(self, column: str) -> str:
        """What ends a statement that has a condition already; `column` holds the ids."""
        beyond = "" if self.after is None else f"AND {column} > :span_after"
        most = "" if self.limit is None else "LIMIT :span_limit"
        return f"{beyond} ORDER BY {column} {most}"

    @property
    def params(self) -> dict[str, object]:
        """What the names in `sql` stand for."""
        return {"span_after": self.after, "span_limit": self.limit}


ALL = Keyset()
