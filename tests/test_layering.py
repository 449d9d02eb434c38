"""Who may import whom: packages one way, within a package wings one way.

`docs/architecture.md` says the same in words. A wing is a folder of a package, one subject each.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from gateway.__main__ import COMMANDS
from tests.support.cases import cases

ROOT = Path(__file__).parent.parent
LAYERS = ("config", "storage", "admin_api", "gateway")
# What a layer knows nothing of, below the layers above it.
FOREIGN = {
    "config": {"aiosmtpd", "aiosmtplib", "aiosqlite", "psycopg", "starlette", "uvicorn"},
    "storage": {"aiosmtpd", "aiosmtplib", "starlette", "uvicorn", "pydantic", "click"},
    "admin_api": {"aiosmtpd", "aiosmtplib", "aiosqlite", "psycopg"},
    "gateway": {"aiosqlite", "psycopg"},
}
# The wings of each package, lowest row first: a module imports from its own wing, from wings in the
# rows below, and from the root modules. Wings in one row do not import each other.
WINGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "storage": (
        ("index", "message_format", "content", "engines", "alerts"),
        ("vcard",),
        ("contacts",),
        ("accounts", "migrations"),
        ("directory",),
        ("delivery",),
        ("mailbox",),
        ("events",),
        ("teamwork",),
        ("drafts",),
        ("sharing", "notifications", "authentication", "outbound"),
        ("maintenance",),
        ("backup", "relocation"),
    ),
    "admin_api": (
        ("dns",),
        ("service",),
        ("http",),
        ("access",),
        ("call",),
        ("accounts", "mailbox", "contacts", "alerts", "events", "operations"),
        ("teamwork", "directory"),
        ("drafts",),
        ("outbound",),
        ("openapi", "commands"),
        ("console",),
    ),
    "gateway": (
        ("message", "webhooks", "transport"),
        ("authentication",),
        ("parser", "delivery"),
        ("smtp", "processes", "jobs", "outbound"),
        ("listening",),
        ("http_edge",),
        ("server",),
        ("commands",),
    ),
}
# Modules beside the wings, which import no wing.
ROOTS = {
    "storage": {
        *("address", "clock", "database", "disk", "errors"),
        *("ids", "keyset", "sql", "wakeup", "cursors", "tenant_wall"),
    },
    "admin_api": set[str](),
    "gateway": {"background", "counters", "reservations"},
}
# Those that join the wings, lowest first.
JOINTS: dict[str, tuple[str, ...]] = {
    "storage": (),
    "admin_api": ("routes", "app"),
    "gateway": ("__main__",),
}
# Across packages: only the modules that begin so import these.
ONLY = {
    "storage.engines": ("admin_api.commands", "gateway.server"),
    "storage.migrations": ("admin_api.commands", "admin_api.operations", "gateway.server"),
    "admin_api": (
        *("gateway.server", "gateway.http_edge", "gateway.commands"),
        *("gateway.webhooks", "gateway.__main__"),
    ),
}
# Octets in, values out: no store, no socket.
PURE = (
    *("gateway.message", "gateway.parser", "gateway.authentication"),
    "storage.message_format",
)
IMPURE = ("storage.database", "storage.engines", "socket", "aiosmtpd")
DRIVERS = {"aiosqlite", "sqlite3", "psycopg", "psycopg_pool"}
MOST_MODULES = 12
MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
SAME_NAME = {"__init__", "records", "routes", "shapes"}
pytestmark = pytest.mark.xdist_group("layering")  # each file is read once
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
FILES = [file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Source:
    """The modules and names that a file imports, in full; its lines, and those of its functions."""

    imports: frozenset[str]
    lines: int
    functions: tuple[tuple[str, int], ...]


@cache
def source(file: Path) -> Source:
    text = file.read_text()
    nodes = [*ast.walk(ast.parse(text))]
    functions = (node for node in nodes if isinstance(node, FUNCTION))
    return Source(
        frozenset(_imports(file, nodes)),
        text.count("\n"),
        tuple((one.name, (one.end_lineno or one.lineno) - one.lineno + 1) for one in functions),
    )


def imports(file: Path) -> frozenset[str]:
    return source(file).imports


def _imports(file: Path, nodes: list[ast.AST]) -> Iterator[str]:
    package = file.relative_to(ROOT).parent.parts
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tops(file: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(file)}


def of_each(files: Sequence[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a check of each file; all that fail are named."""

    def one_test(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            with cases() as case:
                for file in files:
                    with case(name(file)):
                        check(file)

        return test

    return one_test


@of_each(FILES)
def test_a_module_imports_from_its_own_layer_and_those_below(file: Path) -> None:
    layer = file.relative_to(ROOT).parts[0]
    above = set(LAYERS[LAYERS.index(layer) + 1 :])

    assert not tops(file) & (above | {"tests", "benchmarks"})


@of_each(FILES)
def test_a_module_knows_nothing_of_what_its_layer_is_not_about(file: Path) -> None:
    layer = file.relative_to(ROOT).parts[0]

    assert not tops(file) & FOREIGN[layer]


@of_each(FILES)
def test_only_the_wiring_of_the_process_imports_the_http_app(file: Path) -> None:
    imported = "admin_api.app" in set(imports(file))

    assert not imported or name(file) == "gateway/server/wiring.py"


def test_every_package_is_named_in_the_project_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])

    assert listed == {name(file.parent).replace("/", ".") for file in FILES}


def module(file: Path) -> str:
    return name(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def wing(dotted: str) -> str:
    """The part behind the package: a wing, or a module beside them; empty for the package."""
    return [*dotted.split("."), ""][1]


def row(package: str, part: str) -> int:
    """How high a part of a package stands; root modules stand below the wings."""
    rows = [*WINGS[package], *((joint,) for joint in JOINTS[package])]
    return (
        -1 if part in ROOTS[package] else next(n for n, parts in enumerate(rows) if part in parts)
    )


def is_within(dotted: str, parts: tuple[str, ...] | str) -> bool:
    named = (parts,) if isinstance(parts, str) else parts
    return any(dotted == part or dotted.startswith(part + ".") for part in named)


MODULES = {module(file) for file in FILES}
IN_WINGS = [file for file in FILES if module(file).split(".")[0] in WINGS and wing(module(file))]


@of_each(IN_WINGS)
def test_a_module_imports_from_its_own_wing_and_those_below(file: Path) -> None:
    own = module(file)
    package = own.split(".")[0]
    height = row(package, wing(own))
    imported = {one for one in imports(file) if one in MODULES and one.startswith(package + ".")}

    wrong = {
        one
        for one in imported
        if wing(one) != wing(own)
        and row(package, wing(one)) >= height
        and wing(one) not in ROOTS[package]
    }
    assert not wrong


@of_each(FILES)
def test_some_wings_are_imported_by_few_from_other_packages(file: Path) -> None:
    own = module(file)
    for kept, few in ONLY.items():
        if own.split(".")[0] != kept.split(".")[0] and not is_within(own, few):
            assert not [one for one in imports(file) if is_within(one, kept)]


@of_each(FILES)
def test_database_drivers_are_imported_by_the_engines_alone(file: Path) -> None:
    assert is_within(module(file), "storage.engines") or not tops(file) & DRIVERS


@of_each([file for file in FILES if is_within(module(file), PURE)])
def test_what_reads_messages_needs_no_store_and_no_socket(file: Path) -> None:
    assert not [one for one in imports(file) if is_within(one, IMPURE)]


@of_each([file for file in FILES if is_within(module(file), "admin_api.outbound")])
def test_notes_and_cards_have_no_way_into_a_letter(file: Path) -> None:
    kept_out = ("storage.teamwork.notes", "admin_api.teamwork.notes", "storage.contacts")

    assert not [one for one in imports(file) if is_within(one, kept_out)]


def test_no_folder_holds_more_modules_than_one_looks_through() -> None:
    many = {}
    for folder in {file.parent for file in FILES}:
        if folder.name not in {"commands", "migrations"}:
            modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
            many[name(folder)] = len(modules)

    assert {folder: count for folder, count in many.items() if count > MOST_MODULES} == {}


def test_no_file_and_no_function_is_longer_than_one_reads() -> None:
    long = {}
    for file in FILES:
        long[name(file)] = source(file).lines - MOST_LINES_OF_A_FILE
        # A migration is a list of statements, and is never changed.
        if file.parent.name != "migrations":
            for function, lines in source(file).functions:
                long[f"{name(file)} {function}"] = lines - MOST_LINES_OF_A_FUNCTION

    assert {what: too_many for what, too_many in long.items() if too_many > 0} == {}


@pytest.mark.parametrize("package", LAYERS)
def test_a_module_name_is_used_once_in_a_package(package: str) -> None:
    names = [
        file.stem
        for file in FILES
        if module(file).split(".")[0] == package
        and file.stem not in SAME_NAME
        and "commands" not in file.parts
    ]

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("package", WINGS)
def test_every_wing_has_a_line_in_the_architecture(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    lines = re.findall(rf"^\| `({package}/\w+/)` \| \S", page, re.MULTILINE)

    assert sorted(lines) == sorted(f"{package}/{part}/" for row in WINGS[package] for part in row)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_imported(command: str) -> None:
    path, _, attribute = COMMANDS[command].partition(":")

    assert getattr(import_module(path), attribute).name is not None
