"""`docs/architecture.md` names what is there: every file and every function."""

import ast
import re

import pytest

from tests.support.server import ROOT

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
