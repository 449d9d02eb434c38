"""CI installs every program that a test needs."""

import re
from pathlib import Path

from tests.test_layering import ROOT

# Parts of every Debian system.
ESSENTIAL = {"dash", "util-linux"}
# CI runs no soak: these are of soaks alone.
OF_SOAKS = {"test_opendkim.py", "milter_trial.py"}


def test_ci_installs_what_tests_need() -> None:
    wanted = set(re.findall(r"[\w-]+:([\w-]+)", (ROOT / ".ci" / "run").read_text()))
    needed = {
        package
        for file in Path(ROOT / "tests").rglob("*.py")
        if file.name not in OF_SOAKS
        for package in re.findall(r'\bneed\(\s*"[^"]+",\s*"([^"]+)"', file.read_text())
    }

    assert needed
    assert needed - ESSENTIAL <= wanted
