"""Attachments over HTTP: the bytes, and headers under which a browser does nothing with them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from admin_api.mailbox import attachments
from admin_api.mailbox.attachments import disposition, safe_type
from gateway.parser.message import parse
from storage.mailbox import parsed
from storage.message_format.transfer_encoding import decoder
from tests.builders import AGENT, SALES, SUPPORT, World, deliver
from tests.gateway.parser.test_tnef import file, message, winmail
from tests.support.post_room import claim_waiting, parse_waiting

MESSAGES = "/v1/messages/"
T = TypeVar("T")
DECODER = decoder("identity")  # it remembers nothing


def letter(content_type: str, body: bytes, *fields: str) -> bytes:
    head = [f"Content-Type: {content_type}", *fields]
    return (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        + "\r\n".join(head).encode()
        + b"\r\n\r\n"
        + body
        + b"\r\n--b--\r\n"
    )


async def path_of(world: World, message_id: str) -> str:
    async with world.client(SALES) as api:
        (file,) = (await api.get(f"{MESSAGES}{message_id}/")).json()["attachments"]
    return f"{MESSAGES}{message_id}/attachments/{file['attachment_id']}/"


async def sent(world: World, body: bytes) -> str:
    message_id = await deliver(world, "team@example.test", body=body)
    await parse_waiting(world.database, world.clock())
    return await path_of(world, message_id)


async def test_a_file_is_decoded_and_offered_to_be_saved(world: World) -> None:
    path = await sent(
        world,
        letter(
            "application/pdf",
            b"JVBERi0x\r\nLjQ=",
            "Content-Disposition: attachment; filename*=utf-8''%C3%9Cber%20uns.pdf",
            "Content-Transfer-Encoding: base64",
        ),
    )
    async with world.client(SALES) as api:
        answer = await api.get(path)
        head = await api.head(path)

    assert answer.content == b"%PDF-1.4"
    assert answer.headers["content-length"] == head.headers["content-length"] == "8"
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"_ber uns.pdf\"; filename*=UTF-8''%C3%9Cber%20uns.pdf"
    )


async def test_a_long_file_is_decoded_beside_the_event_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    aside = asyncio.to_thread

    async def to_thread(work: Callable[..., T], *given: object) -> T:
        asked.append(getattr(work, "func", work))
        return await aside(work, *given)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    monkeypatch.setattr(attachments, "file_decoder", lambda part: DECODER)
    for octets, times in ((100_000, 2), (1_000, 0)):
        path = await sent(world, letter("application/pdf", b"x" * octets))
        asked.clear()
        async with world.client(SALES) as api:
            assert len((await api.get(path)).content) == octets
        assert len([one for one in asked if one in (DECODER.feed, DECODER.finish)]) == times


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("text/css", "application/octet-stream"),
        ("multipart/related", "application/octet-stream"),
        ("message/partial", "application/octet-stream"),
        ("text/plain", "text/plain"),
        ("text/csv", "text/csv"),
        ("image/png", "image/png"),
        ("message/rfc822", "message/rfc822"),
    ],
)
def test_what_a_browser_would_run_has_no_type_of_its_own(content_type: str, shown: str) -> None:
    assert safe_type(content_type) == shown


def test_no_name_gets_out_of_its_header() -> None:
    assert disposition('a"; x=b\r\nSet-Cookie: c') == (
        'attachment; filename="a__ x=b__Set-Cookie_ c"; '
        "filename*=UTF-8''a%22%3B%20x%3Db%0D%0ASet-Cookie%3A%20c"
    )


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("message/rfc822", "attachment.eml"),
        ("application/pdf", "attachment.pdf"),
        ("application/x-unheard-of", "attachment"),
        ("text/html", "attachment"),
    ],
)
async def test_a_file_without_a_name_is_saved_under_its_type(
    world: World, content_type: str, name: str
) -> None:
    field = "Content-Disposition: attachment"
    path = await sent(world, letter(content_type, b"x", field))
    async with world.client(SALES) as api:
        answer = await api.get(path)

    assert answer.headers["content-disposition"] == (
        f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    )


async def test_html_is_never_shown_as_html(world: World) -> None:
    field = "Content-Disposition: attachment"
    path = await sent(world, letter("text/html; name=a.html", b"<script>x()</script>", field))
    async with world.client(SALES) as api:
        answer = await api.get(path)

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_who_does_not_see_the_message_has_no_file(world: World) -> None:
    path = await sent(world, letter("a/b; name=c", b"x"))
    other = await deliver(world, "team@example.test", body=letter("a/b; name=c", b"y"))
    await parse_waiting(world.database, world.clock())
    mixed = (await path_of(world, other)).rpartition("/attachments/")[0]
    mixed += "/attachments/" + path.rpartition("/attachments/")[2]
    async with world.client(AGENT) as api:
        hidden = await api.get(path)
        unknown = await api.get(path.replace("msg_0", "msg_1"))
    async with world.client(SUPPORT) as api:
        assert (await api.get(path)).content == b"x"
        assert (await api.get(mixed)).status_code == 404
        none = path[:-2] + ("1/" if path.endswith("0/") else "0/")
        assert (await api.get(none)).status_code == 404
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.content == unknown.content


async def test_a_large_file_is_read_from_its_place(world: World, tmp_path: Path) -> None:
    octets = os.urandom(700_000)
    body = letter("application/x-y; name=big", octets)
    file = tmp_path / "content" / "00" / "big"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    message_id = await deliver(world, "team@example.test", body=body, file="00/big")
    (claim,) = await claim_waiting(world.database, world.clock())
    result = parse(body, lambda: True)
    await world.database.write(lambda tx: parsed.record(tx, [(claim, result)]))
    path = await path_of(world, message_id)

    async with world.client(SALES) as api:
        answer = await api.get(path)
        file.unlink()
        gone = await api.get(path)

    assert answer.content == octets
    assert gone.status_code >= 500


async def test_the_files_of_a_winmail_dat_are_attachments_of_their_own(world: World) -> None:
    files = {"a.txt": b"first", "b.bin": bytes(range(256)) * 40}
    packed = winmail(*(file(name.encode(), octets) for name, octets in files.items()))
    message_id = await deliver(world, "team@example.test", body=message(packed))
    await parse_waiting(world.database, world.clock())

    async with world.client(SALES) as api:
        shown = (await api.get(f"{MESSAGES}{message_id}/")).json()
        listed = {
            one["filename"]: await api.get(
                f"{MESSAGES}{message_id}/attachments/{one['attachment_id']}/"
            )
            for one in shown["attachments"]
        }

    assert shown["has_attachments"] is True
    assert {name: answer.content for name, answer in listed.items()} == files
    assert {answer.headers["x-content-type-options"] for answer in listed.values()} == {"nosniff"}
