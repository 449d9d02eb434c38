"""Debian's filters before a real Postfix: their fields stand where tests/vectors/milters says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.postfix import public_folder

MILTERS = Path(__file__).parents[1] / "vectors" / "milters"
KINDS = ("signed", "changed-and-lying", "unsigned-and-lying")
NAMES = (b"authentication-results", b"received")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


def places(octets: bytes) -> list[bytes]:
    """Return the names of the fields that this is about, in their order."""
    header = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
    names = (line.partition(b":")[0].lower() for line in header)
    return [name for name in names if name in NAMES]


@pytest.mark.parametrize("program", ["opendkim", "opendmarc", "rspamd"])
def test_a_filter_writes_where_its_vectors_say(program: str) -> None:
    need(program, program)
    if os.geteuid() != 0:
        pytest.skip("a network of its own is made by root only")
    folder = public_folder()
    command = [need("unshare", "util-linux"), "--net", "--mount", sys.executable]
    command += ["-m", "tests.support.milter_trial", program, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stderr
        vectors = {kind: MILTERS / f"{program}-{kind}.eml" for kind in KINDS}
        known = {kind: path.read_bytes() for kind, path in vectors.items() if path.exists()}
        assert "changed-and-lying" in known
        for kind, octets in known.items():
            assert places((folder / f"{kind}.eml").read_bytes()) == places(octets), kind
    finally:
        shutil.rmtree(folder, ignore_errors=True)
