"""The last tagged release, to run beside this one: its code as git has it, with the same libraries.

Rules: where git or the tag is not there, as in a source archive, the test is skipped by name.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.server import ROOT

TAG = "v0.1.0"
_PACKAGES = ("admin_api", "config", "gateway", "storage")


def unpack_release(folder: Path) -> Path:
    """Put the packages of the tag into a folder."""
    if find_spec("aiohttp") is None:  # it was a dependency then, and comes with others now
        pytest.skip(f"{TAG} needs aiohttp")
    command = ["git", "-C", str(ROOT), "archive", TAG, *_PACKAGES]
    try:
        packed = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if packed.returncode:
        pytest.skip(f"git has no {TAG} here: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
