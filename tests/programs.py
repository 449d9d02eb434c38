"""Programs that a test runs beside Postroom: skipped by name where missing, required in CI."""

import os
import shutil
from pathlib import Path

import pytest

# Debian keeps daemons where an ordinary user's PATH does not look.
SYSTEM_PATHS = (Path("/usr/sbin"), Path("/sbin"), Path("/usr/local/sbin"))


def need(program: str, package: str, *places: Path, install: str = "") -> str:
    """Return the program's path; without it skip the test, or fail it where CI=true.

    It is looked for in `places` as well. `install` is the command that brings it, where that is not
    `apt-get install` of its Debian package.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), *map(str, (*SYSTEM_PATHS, *places))])
    found = shutil.which(program, path=search)
    if found is None:
        reason = f"{program} is not installed; {install or f'apt-get install {package}'}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def chromium() -> str:
    """Return the path of a Chromium without a window: its shell, or the whole browser.

    The shell takes a third of the processor for the same page. Debian's script around it would
    leave it behind when it is ended.
    """
    shell = shutil.which("chromium-headless-shell", path="/usr/lib/chromium")
    return shell or need("chromium", "chromium")
