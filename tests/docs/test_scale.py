"""docs/scale.md names every table that does not carry the tenant itself, and how it is found."""

import re
from pathlib import Path

import psycopg

from tests.support.engines import Databases

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
WHOLE = "the whole store"


def told() -> dict[str, str]:
    """Return, for each table that the page names, the column by which its tenant is found."""
    section = (
        PAGE.read_text().split("## Which tables carry the tenant")[1].split("**Hot keys.**")[0]
    )
    rows = re.findall(r"(?m)^\| `?([\w ]+?)`?(?: of `\w+`)? \| (`.*) \|$", section)
    return {table: by for by, tables in rows for table in re.findall(r"`(\w+)`", tables)}


def columns(url: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with psycopg.connect(url) as store:
        for table, column in store.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        ):
            found.setdefault(table, set()).add(column)
    return found


def test_the_page_names_every_table_without_the_tenant_and_how_it_is_found(
    databases: Databases,
) -> None:
    url = databases.make()
    found = columns(url)
    databases.drop(url)
    without = {table for table, names in found.items() if "tenant_id" not in names}

    named = told()
    assert without <= named.keys(), "tables without tenant_id that the page does not name"
    for table, by in named.items():
        assert by == WHOLE or (table in without and by in found[table]), (table, by)


def test_the_keys_that_begin_with_the_tenant_do(databases: Databases) -> None:
    section = PAGE.read_text().split("**Hot keys.**")[1].split("\n\n")[0]
    first, *_ = section.partition("These begin with the inbox")
    named, _, keys_of = first.partition("and the primary keys of")
    indexes = set(re.findall(r"`(\w+)`", named)) | {
        f"{table}_pkey" for table in re.findall(r"`(\w+)`", keys_of)
    }
    url = databases.make()
    with psycopg.connect(url) as store:
        leading: dict[str, str] = dict(
            store.execute(
                "SELECT c.relname, a.attname FROM pg_index i"
                " JOIN pg_class c ON c.oid = i.indexrelid"
                " JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = 1"
                " WHERE c.relnamespace = current_schema()::regnamespace"
            ).fetchall()
        )
    databases.drop(url)

    assert len(indexes) > 8
    assert {name: leading.get(name) for name in indexes} == dict.fromkeys(indexes, "tenant_id")
