"""The page of the API in a browser: it shows every call, and loads nothing but from us."""

import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from admin_api.routes import ROUTES
from tests.programs import chromium
from tests.support.server import Server

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--virtual-time-budget=5000",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def test_a_browser_shows_every_call_and_loads_nothing_from_outside(
    server: Server, tmp_path: Path
) -> None:
    origin = server.demo.http.rstrip("/")
    log = tmp_path / "net.json"
    shown = subprocess.run(
        [
            chromium(),
            *OPTIONS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}",
            "--dump-dom",
            f"{origin}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout

    assert '<p id="about" role="status">Shared mail addresses' in shown
    assert shown.count("<details data-find=") == len(ROUTES)
    asked = [
        event["params"] for event in json.loads(log.read_text())["events"] if "params" in event
    ]
    of_page = [one["url"] for one in asked if one.get("initiator") == origin and "url" in one]
    assert {urlsplit(url).path for url in of_page} == {"/v1/openapi.json"}
    assert all(url.startswith(f"{origin}/") for url in of_page)
