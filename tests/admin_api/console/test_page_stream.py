"""The browser's stream through the door: by the cookie, until the session ends."""

import asyncio

import httpx2

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.visitor import FORM
from tests.builders import MEMBER, SALES, SUPPORT

SECONDS = 20


async def test_the_stream_comes_with_the_cookie_and_ends_with_the_session(site: Site) -> None:
    cookies = {f"postroom-{site.port}": site.secrets[MEMBER]}
    ids = [site.world.ids[one] for one in (SUPPORT, SALES)]
    async with (
        asyncio.timeout(SECONDS),
        httpx2.AsyncClient(base_url=site.url, cookies=cookies, timeout=SECONDS) as http,
    ):
        token = (await http.get("/console/settings/")).text
        token = token.partition('name="form-token" content="')[2].partition('"')[0]
        path = f"/console/live/?inbox={ids[0]}&inbox={ids[1]}"
        async with http.stream("GET", path) as stream:
            lines = stream.aiter_lines()
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in stream.headers
            hello = [await anext(lines) for _ in range(4)]
            assert ids[0] in "".join(hello)
            assert ids[1] not in "".join(hello)  # of somebody else: no look without a record
            out = await http.post(
                "/console/sign-out/",
                content=f"form_token={token}",
                headers=FORM | {"Sec-Fetch-Site": "same-origin"},
            )
            assert out.status_code == 303
            rest = [line async for line in lines]
        assert "event: bye" in rest
        again = await http.get(path, headers={"Accept": "text/event-stream"})
        assert again.status_code == 401
