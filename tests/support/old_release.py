"""The last tagged release, to run beside this one: its code as git has it, with the same libraries.

Rules: where git or the tag is not there, as in a source archive, the test is skipped by name.
POSTROOM_TEST_LIBRARIES names a directory with what that release needed and this one does not
(`pip install --target DIRECTORY aiohttp`).
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.server import ROOT

TAG = "v0.1.0"
LIBRARIES = os.environ.get("POSTROOM_TEST_LIBRARIES", "")
_PACKAGES = ("admin_api", "config", "gateway", "storage")


def unpack_release(folder: Path) -> Path:
    """Put the packages of the tag into a folder."""
    if find_spec("aiohttp") is None and not LIBRARIES:
        pytest.skip(f"{TAG} needs aiohttp, which POSTROOM_TEST_LIBRARIES may have")
    command = ["git", "-C", str(ROOT), "archive", TAG, *_PACKAGES]
    try:
        packed = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if packed.returncode:
        pytest.skip(f"git has no {TAG} here: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    for library in Path(LIBRARIES).iterdir() if LIBRARIES else ():
        (folder / library.name).symlink_to(library.absolute())
    return folder
