"""What README and docs have a reader paste works, against one demo for all pages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from config.loading import load
from tests.programs import need
from tests.support.fixtures import Servers
from tests.support.pages import KINDS, PAGES, README, VARIABLES, blocks, opening
from tests.support.server import ROOT

ALL = [README, *PAGES]
# Its blocks are for a Postfix, which `tests/wire/test_postfix.py` runs with them.
RUN_ELSEWHERE = {"postfix.md"}
RUN_HERE = [page for page in ALL if page.name not in RUN_ELSEWHERE]
ON_AN_EMPTY_MACHINE = {"first-hour.md"}  # test_first_hour.py runs it
pytestmark = pytest.mark.xdist_group("pages")  # one server for all


def name(page: Path) -> str:
    return page.name


@pytest.fixture(scope="module")
def environ(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Give what the terminal of a reader of the demo has in its environment."""
    folder = tmp_path_factory.mktemp("programs")
    servers.warm.program(folder / "postroom")
    _program(folder / "python3", f'exec {sys.executable} "$@"')
    _program(folder / "curl", f'exec {need("curl", "curl")} --fail-with-body "$@"')
    server = servers.new()
    demo = server.start_demo()
    smtp = f"{demo.smtp[0]}:{demo.smtp[1]}"
    kept = {key: os.environ[key] for key in os.environ if not key.startswith("POSTROOM_")}
    yield kept | {
        "API": demo.http,
        "TOKEN": demo.inboxes[0]["token"],
        "PASSWORD": demo.owner["password"],
        "POSTROOM_DATA": str(server.store),
        "POSTROOM_AUTHENTICATION": "off",
        "POSTROOM_SMTP": smtp,
        "POSTROOM_HTTP": demo.http.removeprefix("http://"),
        "PATH": f"{folder}:{os.environ['PATH']}",
        "TMPDIR": str(folder),
    }
    servers.stop(server)


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_opens_with_what_the_reader_can_do_after_it(page: Path) -> None:
    assert opening(page).startswith("After this page ")


@pytest.mark.parametrize("page", RUN_HERE, ids=name)
def test_a_page_has_an_example_that_can_be_pasted(page: Path) -> None:
    kinds = [block.kind for block in blocks(page)]

    assert set(kinds) <= KINDS, "a fenced block says what it is; others are indented"
    assert set(kinds) - {"json"}


@pytest.mark.parametrize("page", ALL, ids=name)
def test_no_call_stands_in_a_block_that_nobody_runs(page: Path) -> None:
    assert not re.findall(r"^    curl .*", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "page", [page for page in ALL if page.name not in ON_AN_EMPTY_MACHINE], ids=name
)
def test_what_a_page_has_pasted_into_a_shell_works(
    page: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    script = "".join(block.text for block in blocks(page) if block.kind == "sh")
    if not script:
        return
    used = set(re.findall(r"\$\{?([A-Z_]+)", script))
    made = set(re.findall(r"\b([A-Z_]+)=", script))
    assert used <= made | VARIABLES | {"HOME"}

    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=script,
        env={**environ, "HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, (script, done.stdout, done.stderr)


@pytest.mark.parametrize("page", RUN_HERE, ids=name)
def test_what_a_page_has_pasted_elsewhere_is_right(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.kind == "json":
            json.loads(block.text)
        elif block.kind == "toml":
            file = tmp_path / "settings.toml"
            file.write_text(block.text)
            load(file, {}, {})
        elif block.kind == "python":
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), {})
