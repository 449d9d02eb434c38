"""Imports go one way: config <- storage <- admin_api <- gateway."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("config", "storage", "admin_api", "gateway")
# What a layer knows nothing of, below the layers above it.
FOREIGN = {
    "config": {"aiosmtpd", "aiosqlite", "psycopg", "starlette", "uvicorn"},
    "storage": {"aiosmtpd", "starlette", "uvicorn", "pydantic", "click"},
    "admin_api": {"aiosmtpd", "aiosqlite", "psycopg"},
    "gateway": {"aiosqlite", "psycopg"},
}
FILES = [file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports(file: Path) -> Iterator[str]:
    """Yield the full name of every module, and of every name, that a file imports."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tops(file: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(file)}


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_module_imports_from_its_own_layer_and_those_below(file: Path) -> None:
    layer = file.relative_to(ROOT).parts[0]
    above = set(LAYERS[LAYERS.index(layer) + 1 :])

    assert not tops(file) & (above | {"tests", "benchmarks"})


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_module_knows_nothing_of_what_its_layer_is_not_about(file: Path) -> None:
    layer = file.relative_to(ROOT).parts[0]

    assert not tops(file) & FOREIGN[layer]


@pytest.mark.parametrize("file", FILES, ids=name)
def test_only_the_wiring_of_the_process_imports_the_http_app(file: Path) -> None:
    imported = "admin_api.app" in set(imports(file))

    assert not imported or name(file) == "gateway/server/wiring.py"


def test_every_package_is_named_in_the_project_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])

    assert listed == {name(file.parent).replace("/", ".") for file in FILES}
