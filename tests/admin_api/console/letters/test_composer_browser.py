"""The composer in a real browser: saved while it is written, files by choice, keys, no fault."""

from pathlib import Path

from config.values import Endpoint
from storage.engines.opening import EMBEDDED
from tests.admin_api.console.conftest import served
from tests.admin_api.console.letters.test_composer import asked
from tests.builders import SALES, SUPPORT, TENANT_OWNER, open_world
from tests.support.browser import Browser, Tab
from tests.support.engines import Engine


async def test_an_answer_is_written_by_keys_saved_meanwhile_and_sent_with_a_file(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "offer.txt").write_bytes(b"Five pumps.")
    engine = Engine("sqlite", EMBEDDED, tmp_path / "data")
    smarthost = Endpoint("127.0.0.1", 1)
    async with open_world(engine, smarthost=smarthost) as world, served(world) as site:
        path = await asked(world)

        async def walk(tab: Tab) -> tuple[list[str], str, str]:
            page = tab.page
            await site.enter(tab, TENANT_OWNER)
            await page.goto(site.url + path)
            await page.wait_for_selector("[data-htmx-powered]")
            await page.keyboard.press("r")
            await page.keyboard.type("In March.")
            await page.wait_for_selector("[name=draft_tag]:not([value=''])", state="attached")
            await page.set_input_files("#letter-files", str(tmp_path / "offer.txt"))
            await page.wait_for_selector("#letter-list [name=file]", state="attached")
            found = await tab.faults()
            await page.focus("#letter-text")
            await page.keyboard.press("Control+Enter")
            await page.wait_for_selector("#done")
            said = await page.inner_text("#done")
            await page.keyboard.press("z")
            await page.wait_for_selector("#done:has-text('Taken back')")
            text = await page.input_value("#letter-text")
            await page.evaluate("document.activeElement.blur()")
            await page.keyboard.press("R")
            await page.wait_for_url("**reply=all**")
            await page.wait_for_selector("#letter-text:focus")
            return found, said, text

        found, said, text = await browser.visit(walk)
        async with world.client(SUPPORT) as api:
            (thread, *_) = (await api.get("/v1/messages/threads/")).json()["results"]
            drafts = f"/v1/messages/threads/{thread['thread_id']}/drafts/"
            (draft,) = (await api.get(drafts)).json()
    assert found == []
    assert "Waiting 10 s" in said
    assert text.startswith("In March.")
    assert [one["filename"] for one in draft["attachments"]] == ["offer.txt"]
    assert draft["author"]["address"] == SALES


async def test_a_template_opened_as_mail_comes_behind_what_was_written(
    browser: Browser, tmp_path: Path
) -> None:
    engine = Engine("sqlite", EMBEDDED, tmp_path / "data")
    smarthost = Endpoint("127.0.0.1", 1)
    async with open_world(engine, smarthost=smarthost) as world, served(world) as site:
        path = await asked(world)
        async with world.client(TENANT_OWNER) as api:
            made = {"name": "End", "subject": "The end", "body": "In March, {first_name}."}
            template = (await api.post("/v1/templates/", json=made)).json()["template_id"]

        async def walk(tab: Tab) -> list[str]:
            page, values = tab.page, list[str]()
            await site.enter(tab, TENANT_OWNER)
            await page.goto(f"{site.url}{path}?template={template}")
            await page.wait_for_selector("[data-htmx-powered]")
            await page.fill("#letter-text", "Hello.")
            await page.click("text=Open as mail")
            for name in ("text", "subject"):
                values.append(await page.input_value(f"#letter-{name}"))
            values.append(await page.evaluate("document.activeElement.id"))
            return values + tab.log.told

        assert await browser.visit(walk) == [
            "Hello.\nIn March, Grace.", "The end", "letter-text",
        ]  # fmt: skip
