"""Calls made from the OpenAPI document, with all checks: no 5xx, nothing that it does not tell."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.fixtures import MakeServer

CONFIG = Path(__file__).parents[1] / "support" / "schemathesis.toml"
# What would end the session, or keep its one thread busy: a long poll, a stream, hashing passwords.
LEFT_OUT = r"^/auth/|^/v1/users/|/wait/$|/stream/$|/check/$|/verify/$"


def run(http: str, secret: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("schemathesis")
    return subprocess.run(
        [
            str(program),
            f"--config-file={CONFIG}",
            "run",
            f"{http}/v1/openapi.json",
            f"--header=Authorization: Bearer {secret}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing",
            f"--exclude-path-regex={LEFT_OUT}",
            "--warnings=off",
            "--no-color",
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def signed_in(http: str, email: str, password: str) -> str:
    request = urllib.request.Request(
        f"{http}/auth/login/",
        json.dumps({"email": email, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["access_token"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("who", ["owner", "token"])
def test_what_the_document_allows_is_answered_as_it_says(
    own_server: MakeServer, tmp_path: Path, who: str
) -> None:
    server = own_server()
    demo = server.demo
    secret = str(demo.inboxes[0]["token"])
    if who == "owner":
        secret = signed_in(demo.http, demo.owner["email"], demo.owner["password"])

    done = run(demo.http, secret, tmp_path, "--max-time=6", "--seed=1")

    assert done.returncode == 0, done.stdout[-6000:]
    assert "http_error" not in server.log_tail(10**7)


@pytest.mark.soak
def test_the_same_for_ten_minutes_with_links_between_calls(
    own_server: MakeServer, tmp_path: Path
) -> None:
    server = own_server()
    demo = server.demo
    secret = signed_in(demo.http, demo.owner["email"], demo.owner["password"])

    phases = "--phases=examples,coverage,fuzzing,stateful"
    done = run(demo.http, secret, tmp_path, "--max-time=600", phases)

    assert done.returncode == 0, done.stdout[-6000:]
