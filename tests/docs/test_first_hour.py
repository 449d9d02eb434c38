"""The first hour, pasted on an empty machine: its blocks in order, with a real server and DNS."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.dns_server import open_dns_server
from tests.support.fixtures import Servers
from tests.support.pages import blocks
from tests.support.server import ROOT

PAGE = ROOT / "docs" / "first-hour.md"
pytestmark = [pytest.mark.xdist_group("pages"), pytest.mark.timeout(300)]


async def paste(text: str, environ: dict[str, str]) -> str:
    shell = await asyncio.create_subprocess_exec(
        need("sh", "dash"),
        "-eu",
        "-c",
        text,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(shell.communicate(), 250)
    assert shell.returncode == 0, (text, out.decode(), err.decode())
    return out.decode()


async def test_the_first_hour_as_pasted(servers: Servers, tmp_path: Path) -> None:
    program = servers.warm.program(tmp_path / "postroom")
    async with open_dns_server() as dns:
        environ = {key: value for key, value in os.environ.items() if "POSTROOM_" not in key} | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "POSTROOM_DATA": str(tmp_path / "data"),
            "POSTROOM_SMTP": "127.0.0.1:0",
            "POSTROOM_HTTP": "127.0.0.1:0",
            "POSTROOM_HOSTNAME": "mx.acme.example",
            "POSTROOM_DNS_SERVER": dns.endpoint,
        }
        server = await asyncio.create_subprocess_exec(
            str(program),
            "serve",
            "--json",
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert server.stdout is not None
        ends = json.loads(await asyncio.wait_for(server.stdout.readline(), 60))
        environ["POSTROOM_SMTP"] = ends["smtp"][0]
        environ["POSTROOM_HTTP"] = ends["http"][0].removeprefix("http://")
        try:
            shown = ""
            for block in blocks(PAGE):
                if "domain check" in block.text:
                    listed = await paste("postroom domain list --tenant Acme --json", environ)
                    (domain,) = json.loads(listed)
                    for record in domain["dns_records"]:
                        dns.publish(record["name"], record["type"], zone_text(record))
                shown += await paste(block.text, environ)
        finally:
            server.terminate()
            await server.wait()
    assert "A first question" in shown
    assert "verified" in shown


def zone_text(record: dict[str, str]) -> str:
    return f'"{record["value"]}"' if record["type"] == "TXT" else record["value"]
