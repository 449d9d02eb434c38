"""The schema, as numbered steps.

- A step is a function `m001_…(tx)` in a file of that name; it runs once, in one transaction with
  the record that it ran.
- Steps never change after a release; a new wish is a new step.
- Expand, then contract: a step that only adds lets the former release go on beside this one, so
  that gateways are upgraded one by one. `OLDEST` says how far back that holds; the store has it.
- A store written by a newer release is refused, not guessed at, unless that release said that this
  one can work with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from storage.clock import DAY
from storage.database import Database, Reads, Tx
from storage.errors import StoreUnavailable
from storage.migrations.m001_identity import m001_identity
from storage.migrations.m002_mail import m002_mail
from storage.migrations.m003_parsing import m003_parsing
from storage.migrations.m004_threads import m004_threads
from storage.migrations.m005_idempotency import m005_idempotency
from storage.migrations.m006_contacts import m006_contacts
from storage.migrations.m007_explain import m007_explain
from storage.migrations.m008_alerts import m008_alerts
from storage.migrations.m009_audit_log import m009_audit_log
from storage.migrations.m010_event_log import m010_event_log
from storage.migrations.m011_retention import m011_retention
from storage.migrations.m012_reopened import m012_reopened
from storage.migrations.m013_filing import m013_filing
from storage.migrations.m014_tenant_names import m014_tenant_names
from storage.migrations.m015_idempotency_room import m015_idempotency_room
from storage.migrations.m016_pending_of_tenant import m016_pending_of_tenant
from storage.migrations.m017_card_apart import m017_card_apart
from storage.migrations.m018_joined_threads import m018_joined_threads
from storage.migrations.m019_inner_files import m019_inner_files
from storage.migrations.m020_session_kinds import m020_session_kinds
from storage.migrations.m021_page import m021_page
from storage.migrations.m022_authentication import m022_authentication
from storage.migrations.m023_sign_in_links import m023_sign_in_links
from storage.migrations.m024_drafts import m024_drafts
from storage.migrations.m025_content_places import m025_content_places
from storage.migrations.m026_outbound import m026_outbound
from storage.migrations.m027_open_threads import m027_open_threads
from storage.migrations.m028_bounces import m028_bounces
from storage.migrations.m029_partitions import m029_partitions
from storage.migrations.m030_route_leases import m030_route_leases
from storage.migrations.m031_tenant_walls import m031_tenant_walls
from storage.migrations.m032_alike_contacts import m032_alike_contacts
from storage.migrations.m033_card_digests import m033_card_digests
from storage.migrations.m034_signed_letters import m034_signed_letters
from storage.migrations.m035_text_from_html import m035_text_from_html
from storage.tenant_wall import are_open_for_older, close_to_older, walled_tables

Step = Callable[[Tx], Coroutine[Any, Any, None]]

OLDEST = 31
"""The fewest steps that a release must know to work with a store of this one.

A step that only adds leaves it. One that takes away what the former release uses, or whose release
writes what the former cannot read, raises it to its own number: with a step that drops a column, to
the one with which the code ceased to use it.
"""

_SIDE_BY_SIDE = 7 * DAY
_NEWER = (
    "the store was written by a newer release of Postroom, with which this one cannot work;"
    " install that release, or restore a backup from before it"
)


class Version(NamedTuple):
    """The number of the last step of a store, and the fewest that a release must know."""

    last: int
    oldest: int | None

    @property
    def is_too_new(self) -> bool:
        """Whether this release cannot work with the store."""
        return self.last > len(STEPS) and (self.oldest is None or self.oldest > len(STEPS))


async def migrate(database: Database, *, now: int) -> int:
    """Bring the store up to this release; the number of steps that were run.

    Raises StoreUnavailable when the store is from a newer release that needs newer ones, or is no
    whole store.
    """
    await _require_whole(database)
    done = await migrate_to(database, len(STEPS), now=now)
    if (await version(database)).is_too_new:
        raise StoreUnavailable(_NEWER)
    if await database.read(partial(_is_past_older_releases, now=now)):
        for table in await database.read(walled_tables):
            await database.write(partial(close_to_older, table=table))
    return done


async def _is_past_older_releases(tx: Tx, *, now: int) -> bool:
    """Whether gateways that do not name their tenants had a week to be upgraded."""
    if not await are_open_for_older(tx):
        return False
    row = await tx.fetch_one(
        "SELECT applied_at FROM migrations WHERE name = :name", {"name": m031_tenant_walls.__name__}
    )
    return row is not None and int(row["applied_at"]) <= now - _SIDE_BY_SIDE


async def migrate_to(database: Database, last: int, *, now: int) -> int:
    """Run the steps up to number `last` that the store does not have; how many those were."""
    done, first = 0, (await version(database)).last  # most starts have nothing to do
    if first < last:
        await database.write(_ensure_record)
    for number, step in enumerate(STEPS[first:last], start=first + 1):

        async def run(tx: Tx, number: int = number, step: Step = step) -> int:
            return await _run_once(tx, number, step, now)

        done += await database.write(run)
    return done


async def require_current(database: Reads) -> None:
    """Raises StoreUnavailable when the store is of another release than this one can work with.

    Also when it is no whole store.
    """
    await _require_whole(database)
    found = await version(database)
    if found.is_too_new:
        raise StoreUnavailable(_NEWER)
    if found.last < len(STEPS):
        raise StoreUnavailable("the store is of an older release; postroom serve upgrades it")


COPIED_FROM = "copied_from"
"""The row of `store_state` that keeps the number of a complete copy."""


async def copy_begun(database: Reads) -> int | None:
    """The number of the copy that is being made into this store (`storage.relocation`), if any."""
    return await _state(database, "copying")


async def copied_from(database: Reads) -> int | None:
    """The number of the copy by which this store was made whole, if it was."""
    return await _state(database, COPIED_FROM)


async def _state(database: Reads, name: str) -> int | None:
    async def find(tx: Tx) -> int | None:
        if await tx.fetch_one(_HAS_RECORD[tx.dialect["engine"]]) is None:
            return None
        statement = "SELECT value FROM store_state WHERE name = :name"
        row = await tx.fetch_one(statement, {"name": name})
        return int(row["value"]) if row else None

    return await database.read(find)


async def _require_whole(database: Reads) -> None:
    if await copy_begun(database) is not None:
        raise StoreUnavailable("a copy into this store is not complete; run postroom copy again")


async def version(database: Reads) -> Version:
    """The version of the store; its last step is 0 for a store without any table."""

    async def found(tx: Tx) -> Version:
        if await tx.fetch_one(_HAS_RECORD[tx.dialect["engine"]]) is None:
            return Version(0, None)
        row = await tx.fetch_one(_VERSION)
        return Version(int(row["last"]), row["oldest"]) if row else Version(0, None)

    return await database.read(found)


_HAS_RECORD = {
    "sqlite": """
        SELECT 1 WHERE 2 = (
            SELECT COUNT(*) FROM sqlite_master
            WHERE type = 'table' AND name IN ('migrations', 'store_state'))
    """,
    "postgres": """
        SELECT 1
        WHERE to_regclass('migrations') IS NOT NULL AND to_regclass('store_state') IS NOT NULL
    """,
}
_VERSION = """
    SELECT m.last, o.value AS oldest
    FROM (SELECT COALESCE(MAX(number), 0) AS last FROM migrations) m
    LEFT JOIN store_state v ON v.name = 'vouched_step' AND v.value = m.last
    LEFT JOIN store_state o ON o.name = 'oldest_step' AND v.name IS NOT NULL
"""


async def _ensure_record(tx: Tx) -> None:
    await tx.execute(
        """
        CREATE TABLE IF NOT EXISTS migrations (
            number INTEGER PRIMARY KEY,
            name {text} NOT NULL,
            applied_at {int64} NOT NULL
        )
        """.format_map(tx.dialect)
    )


async def _run_once(tx: Tx, number: int, step: Step, now: int) -> int:
    row = await tx.fetch_one(
        "SELECT number FROM migrations WHERE number = :number", {"number": number}
    )
    if row is not None:
        return 0
    await step(tx)
    await tx.execute(
        "INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :now)",
        {"number": number, "name": step.__name__, "now": now},
    )
    await tx.execute_many(
        _MARK,
        [{"name": "oldest_step", "value": OLDEST}, {"name": "vouched_step", "value": number}],
    )
    return 1


# Up to the step that is vouched for, releases as old as the oldest can work with the store.
_MARK = """
    INSERT INTO store_state (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
    WHERE store_state.value < excluded.value
"""


STEPS: tuple[Step, ...] = (
    m001_identity,
    m002_mail,
    m003_parsing,
    m004_threads,
    m005_idempotency,
    m006_contacts,
    m007_explain,
    m008_alerts,
    m009_audit_log,
    m010_event_log,
    m011_retention,
    m012_reopened,
    m013_filing,
    m014_tenant_names,
    m015_idempotency_room,
    m016_pending_of_tenant,
    m017_card_apart,
    m018_joined_threads,
    m019_inner_files,
    m020_session_kinds,
    m021_page,
    m022_authentication,
    m023_sign_in_links,
    m024_drafts,
    m025_content_places,
    m026_outbound,
    m027_open_threads,
    m028_bounces,
    m029_partitions,
    m030_route_leases,
    m031_tenant_walls,
    m032_alike_contacts,
    m033_card_digests,
    m034_signed_letters,
    m035_text_from_html,
)
