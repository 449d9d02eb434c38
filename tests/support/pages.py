"""README and docs as data: their openings and the blocks that a reader pastes.

A fenced block is pasted and therefore run: `sh` by a shell that knows the variables of the demo,
`python` by an interpreter, `toml` as a settings file, `json` by a reader of JSON. An indented block
is a shape, a synopsis or something for another program; it is not pasted as it stands.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import ROOT

README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
KINDS = {"sh", "python", "toml", "json"}
# What `postroom demo` has a reader export before anything is pasted.
VARIABLES = {
    *("API", "TOKEN", "PASSWORD"),
    *("POSTROOM_DATA", "POSTROOM_SMTP", "POSTROOM_HTTP", "PATH"),
}

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is where it begins in its page."""

    kind: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(found[2], found[3], text.count("\n", 0, found.start()) + 1)
        for found in _FENCED.finditer(text)
    ]


def opening(page: Path) -> str:
    """The first paragraph under the title."""
    return page.read_text().split("\n\n")[1]
