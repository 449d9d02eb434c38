"""The wheel that pyproject.toml describes: everything is in it, and it runs elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_layering import LAYERS, ROOT

NAMED = ("pyproject.toml", "README.md", "LICENSE")
# What an operator copies out of the tree; no code reads it.
NOT_PACKED = {".service", ".socket", ".timer", ".pyc", ""}

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder into which the wheel was unpacked, far from the tree it was built from."""
    place = tmp_path_factory.mktemp("wheel")
    tree = place / "tree"
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, tree / layer, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NAMED:
        shutil.copy(ROOT / name, tree)
    build = ["pip", "--disable-pip-version-check", "wheel", "--no-build-isolation", "--no-deps"]
    _run([*build, "--no-index", "-qq", f"--wheel-dir={place}", str(tree)], place)
    (wheel,) = place.glob("*.whl")
    shutil.rmtree(tree)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "installed")
    return place / "installed"


def _run(module: list[str], folder: Path) -> str:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("POSTROOM_")}
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_every_file_of_every_package(unpacked: Path) -> None:
    expected = {
        file.relative_to(ROOT)
        for layer in LAYERS
        for file in (ROOT / layer).rglob("*")
        if file.is_file() and file.suffix not in NOT_PACKED
    }
    present = {file.relative_to(unpacked) for file in unpacked.rglob("*") if file.is_file()}

    assert sorted(map(str, expected - present)) == []


def test_the_wheel_names_the_command(unpacked: Path) -> None:
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")

    assert "postroom = gateway.__main__:main" in entry_points.read_text()


def test_the_unpacked_wheel_shows_its_help(unpacked: Path) -> None:
    assert "serve" in _run(["gateway", "--help"], unpacked)


def test_the_unpacked_wheel_makes_a_store(unpacked: Path) -> None:
    data = str(unpacked.parent / "store")

    made = _run(["gateway", "tenant", "create", "Acme", "--data", data], unpacked)

    assert "Acme" in made


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_what_builds_the_package(lock: str) -> None:
    """`make demo` and docs/install.md build it without asking for anything else."""
    text = (ROOT / lock).read_text()

    assert re.search(r"(?m)^setuptools==\S+ \\$", text)
    assert not re.search(r"https?://|--(extra-)?index-url", text)
