"""Keyset pagination: the range of a list ordered by id."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyset:
    """At most `limit` entries (None: all), those whose id is above `after`."""

    after: bytes | None = None
    limit: int | None = None

    def sql(self, column: str) -> str:
        """Return the end of a statement that has a condition already; `column` holds the ids."""
        beyond = "" if self.after is None else f"AND {column} > :span_after"
        most = "" if self.limit is None else "LIMIT :span_limit"
        return f"{beyond} ORDER BY {column} {most}"

    @property
    def params(self) -> dict[str, object]:
        """Return the parameters of `sql`."""
        return {"span_after": self.after, "span_limit": self.limit}


ALL = Keyset()
