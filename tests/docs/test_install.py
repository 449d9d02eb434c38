"""The units of systemd are well-formed, hardened, and name what docs/install.md puts in place."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.server import ROOT

CONFIG = ROOT / "config"
INSTALL = (ROOT / "docs" / "install.md").read_text()
SERVICES = ("postroom.service", "postroom-backup.service")
MOST_EXPOSED = 2.0


def analyze(*words: str) -> str:
    done = subprocess.run(
        [need("systemd-analyze", "systemd"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_units_are_well_formed(tmp_path: Path) -> None:
    """With programs that are there, since nothing is installed under /opt."""
    units = []
    for name in (*SERVICES, "postroom-backup.timer", "postroom-smtp.socket"):
        unit = tmp_path / name
        text = re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", (CONFIG / name).read_text())
        unit.write_text(re.sub(r"(?m)^(User|Group)=.*", r"\1=root", text))
        units.append(str(unit))

    assert analyze("verify", "--man=no", *units) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(name: str) -> None:
    told = analyze("security", "--offline=true", str(CONFIG / name))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)

    assert found is not None, told
    assert float(found[1]) <= MOST_EXPOSED


def test_the_units_name_what_the_page_puts_in_place() -> None:
    for name in SERVICES:
        unit = (CONFIG / name).read_text()
        (line,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
        assert line.startswith("/opt/postroom/bin/postroom ")
        assert "--config /etc/postroom/postroom.toml" in line
        assert name in INSTALL
    assert "python3 -m venv /opt/postroom" in INSTALL
    assert "/etc/postroom/postroom.toml" in INSTALL


def test_the_container_is_built_from_the_lock_file() -> None:
    lines = (CONFIG / "Containerfile").read_text()

    assert "--require-hashes -r requirements.lock" in lines
    assert re.search(r"(?m)^USER postroom$", lines)
