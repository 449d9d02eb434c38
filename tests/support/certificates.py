"""Certificates of a test's own, made by openssl."""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.programs import need

NAME = "mx.example.test"


def certificate(folder: Path, *, days: int = 30, name: str = NAME) -> tuple[Path, Path]:
    """Write a certificate for `name` and its key to `folder`; their paths."""
    chain, key = folder / "certificate.pem", folder / "key.pem"
    pair = _made(days, name)
    chain.write_bytes(pair[0])
    key.write_bytes(pair[1])
    return chain, key


@cache
def _made(days: int, name: str) -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        chain, key = Path(folder) / "chain", Path(folder) / "key"
        subprocess.run(
            [
                *(need("openssl", "openssl"), "req", "-x509", "-nodes", "-days", str(days)),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
                *("-keyout", str(key), "-out", str(chain)),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return chain.read_bytes(), key.read_bytes()
