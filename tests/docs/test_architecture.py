"""`docs/architecture.md` names what is there: every file, every function, every wing."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.server import ROOT
from tests.test_layering import LAYERS, WINGS

TEXT = (ROOT / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+/\w+\.py)(?::([\w.]+))?`", TEXT)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[":".join(one) for one in NAMED])
def test_every_file_and_function_that_is_named_exists(path: str, name: str) -> None:
    body: list[ast.stmt] = ast.parse((ROOT / path).read_bytes()).body

    for part in name.split(".") if name else ():
        found = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and node.name == part
        ]
        assert found, f"{path} has no {name}"
        body = found[0].body


def test_the_way_of_a_mail_names_enough_to_follow_it() -> None:
    assert len([name for _, name in NAMED if name]) > 30


@pytest.mark.parametrize("package", LAYERS)
def test_every_wing_has_a_line(package: str) -> None:
    rows = re.findall(rf"^\| `({package}/\w+/)` \| \S", TEXT, re.MULTILINE)

    assert sorted(rows) == sorted(
        f"{package}/{wing}/" for row in WINGS.get(package, ()) for wing in row
    )


def test_a_wing_that_the_layering_knows_is_a_folder() -> None:
    folders = [Path(package, wing) for package in WINGS for row in WINGS[package] for wing in row]

    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)
