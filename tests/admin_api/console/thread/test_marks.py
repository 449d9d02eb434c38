"""Flag, unread and folders from the page of a thread: of which copies they are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from storage.ids import from_text, to_text
from tests.admin_api.console.test_thread_page import field, follow, said, undo
from tests.admin_api.console.threads import Shown, mail, parsed, whole_thread
from tests.admin_api.console.visitor import Visitor, signed_in
from tests.admin_api.drafts.letters import letter
from tests.builders import MEMBER, SUPPORT, World, receive

State = tuple[str, bool, bool]  # folder, is it read, is it flagged


async def three(world: World) -> Shown:
    """A thread of three letters to support."""
    answers = [mail("y", to=SUPPORT, answers="<a@x.test>") for _ in range(2)]
    first = mail("x", to=SUPPORT, name="<a@x.test>")
    return await whole_thread(world, [first, *answers], SUPPORT)


async def set_copies(world: World, ids: list[str], **values: object) -> None:
    async with world.client(SUPPORT) as api:
        named = {"message_ids": ids, "set": values}
        assert (await api.patch("/v1/messages/", json=named)).status_code == 200


async def states(world: World, shown: Shown) -> list[State]:
    """The copies of support, oldest first."""
    async with world.client(SUPPORT) as api:
        thread = (await api.get(f"/v1/messages/threads/{shown.thread_id}/")).json()
    return [(one["folder"], one["is_read"], one["is_flagged"]) for one in thread["messages"]]


async def act(who: Visitor, shown: Shown, named: str, newest: str) -> str:
    """Press the button of a page that showed messages up to `newest`."""
    fields = {"set": named, "newest": newest}
    return said(await follow(who, await who.post(f"{shown.path}marks/", fields)))


def offered(page: str) -> list[str]:
    """The marks that the page has buttons for."""
    form = page.partition('marks/" class="act"')[2].partition("</form>")[0]
    return re.findall(r'name="set" value="(\w+)"', form)


@pytest.mark.parametrize(
    ("named", "back", "value"),
    [("flag", "unflag", "is_flagged"), ("unread", "read", "is_read")],
)
async def test_a_mark_is_set_on_the_newest_copy_that_was_shown_and_taken_off_all(
    world: World, named: str, back: str, value: str
) -> None:
    shown, who = await three(world), await signed_in(world, MEMBER)
    await set_copies(world, shown.message_ids, is_read=True)
    newest = field((await who.get(shown.path)).text, "marks", "newest")
    assert newest == shown.message_ids[-1]
    later = await receive(world, SUPPORT, body=mail("new", to=SUPPORT, answers="<a@x.test>"))
    plain = [("inbox", True, False)] * 3
    marked = ("inbox", named != "unread", named == "flag")

    await act(who, shown, named, newest)
    assert await states(world, shown) == [*plain[:2], marked, ("inbox", False, False)]

    await set_copies(world, [shown.message_ids[0], later], **{value: named == "flag"})
    await act(who, shown, back, newest)
    new = ("inbox", False, named == "flag")
    assert await states(world, shown) == [*plain, new]


async def test_archiving_takes_the_copies_in_the_inbox_and_no_others(world: World) -> None:
    shown, who = await three(world), await signed_in(world, MEMBER)
    await set_copies(world, shown.message_ids[:1], folder="junk")
    await set_copies(world, shown.message_ids[1:2], folder="trash")

    done = await follow(who, await who.post(f"{shown.path}marks/", {"set": "archive"}))
    assert [one[0] for one in await states(world, shown)] == ["junk", "trash", "archive"]
    await undo(who, shown, done)
    assert [one[0] for one in await states(world, shown)] == ["junk", "trash", "inbox"]
    version = field((await who.get(shown.path)).text, "status", "version")
    closing = {"status": "closed", "version": version}
    await follow(who, await who.post(f"{shown.path}status/", closing))
    assert [one[0] for one in await states(world, shown)] == ["junk", "trash", "archive"]
    assert await act(who, shown, "archive", "") == "Nothing to change."


async def test_a_folder_is_offered_as_long_as_a_copy_would_move_there(world: World) -> None:
    shown, who = await three(world), await signed_in(world, MEMBER)
    everything = {"archive", "inbox", "junk", "trash"}
    for folders, missing in (
        (("inbox", "inbox", "inbox"), {"inbox"}),
        (("archive", "archive", "inbox"), set()),  # a new letter in a thread that was archived
        (("archive", "archive", "archive"), {"archive"}),
        (("junk", "junk", "junk"), {"archive", "junk"}),
        (("trash", "trash", "junk"), {"archive"}),
    ):
        for one, folder in zip(shown.message_ids, folders, strict=True):
            await set_copies(world, [one], folder=folder)
        marks = offered((await who.get(shown.path)).text)
        assert everything & {*marks} == everything - missing, folders


async def test_ones_own_letters_stay_where_they_are_and_are_not_marked(world: World) -> None:
    """Nothing could bring them back into the folder `sent`."""
    shown, who = await three(world), await signed_in(world, MEMBER)
    await set_copies(world, shown.message_ids, is_read=True)
    thread_id = from_text("thr", shown.thread_id)
    sent = to_text("msg", await letter(world, thread=thread_id, who=SUPPORT, token=False))
    await parsed(world)
    shown = replace(shown, message_ids=[*shown.message_ids, sent])
    before = await states(world, shown)
    assert [one[0] for one in before] == ["inbox"] * 3 + ["sent"]

    for named in ("flag", "unread", "archive", "junk", "trash"):
        fields = {"set": named, "newest": sent}
        done = await follow(who, await who.post(f"{shown.path}marks/", fields))
        now = await states(world, shown)
        assert now[3] == before[3] and now[2] != before[2], named
        await undo(who, shown, done)
        assert await states(world, shown) == before, named


async def test_a_letter_without_an_answer_can_be_flagged_and_moves_nowhere(world: World) -> None:
    message = await letter(world, who=SUPPORT, token=False)
    async with world.client(SUPPORT) as api:
        record = (await api.get(f"/v1/messages/{to_text('msg', message)}/")).json()
    shown = Shown(SUPPORT, record["thread_id"], [record["message_id"]])
    who = await signed_in(world, MEMBER)

    assert {"flag", "archive", "inbox", "junk", "trash"} & {
        *offered((await who.get(shown.path)).text)
    } == {"flag"}
    assert await act(who, shown, "flag", record["message_id"]) == "Flagged."
    assert await act(who, shown, "trash", record["message_id"]) == "Nothing to change."
    assert await states(world, shown) == [("sent", True, True)]


async def test_what_moved_from_several_folders_goes_back_to_each(world: World) -> None:
    shown, who = await three(world), await signed_in(world, MEMBER)
    await set_copies(world, shown.message_ids[:1], folder="archive")
    before = await states(world, shown)

    done = await follow(who, await who.post(f"{shown.path}marks/", {"set": "trash"}))
    assert {one[0] for one in await states(world, shown)} == {"trash"}
    assert said(await undo(who, shown, done)) == "Taken back."
    assert await states(world, shown) == before


async def test_closing_a_long_thread_can_be_undone(world: World) -> None:
    """Its undo is too long for a cookie: the answer to the form is the page that offers it."""
    answers = [mail("y", to=SUPPORT, answers="<a@x.test>") for _ in range(129)]
    first = mail("x", to=SUPPORT, name="<a@x.test>")
    shown = await whole_thread(world, [first, *answers], SUPPORT)
    who = await signed_in(world, MEMBER)
    version = field((await who.get(shown.path)).text, "status", "version")

    done = await who.post(f"{shown.path}status/", {"status": "closed", "version": version})
    assert (done.status_code, said(done)) == (200, "Closed for everybody, archived for you.")
    assert {one[0] for one in await states(world, shown)} == {"archive"}
    assert f'<meta name="place" content="{shown.path}">' in done.text
    assert said(await undo(who, shown, done)) == "Taken back."
    assert {one[0] for one in await states(world, shown)} == {"inbox"}
    assert not said(await who.get(shown.path))
