"""The page of letters to approve: read whole, approved or rejected, also without scripts."""

from storage.ids import from_text
from tests.admin_api.console.visitor import signed_in
from tests.admin_api.drafts.letters import held_letter, states, thread_id_of
from tests.builders import MEMBER, SALES, TEAM, TENANT_OWNER, World, deliver

PATH = f"/console/{SALES}/approvals/"


async def test_a_letter_is_shown_whole_and_approved_or_rejected(world: World) -> None:
    first, sent = await held_letter(world)
    second, dropped = await held_letter(world)
    person = await signed_in(world, TENANT_OWNER)

    shown = await person.get(PATH)
    assert shown.status_code == 200
    for text in ("grace@sender.test", "boss@example.test", "tests", "Approve: send it as it is"):
        assert text in shown.text
    assert (await person.post(f"{PATH}{first}/approve/")).status_code == 303
    assert "Approved: the letter goes." in (await person.get(PATH)).text
    assert await states(world, sent) == {"waiting"}

    again = await person.post(f"{PATH}{first}/approve/")
    assert again.status_code == 409
    assert "approved already" in again.text
    assert (await person.post(f"{PATH}{second}/reject/", {"reason": "No."})).status_code == 303
    assert await states(world, dropped) == {"dropped"}
    assert "No letter waits for you." in (await person.get(PATH)).text


async def test_a_thread_that_moved_on_is_told_before_the_letter_goes(world: World) -> None:
    message = await deliver(world, TEAM.lower(), name="<1@sender.test>")
    thread = await thread_id_of(world, message)
    approval, sent = await held_letter(world, thread=thread, seen=from_text("msg", message))
    newer = await deliver(world, TEAM.lower(), references=("<1@sender.test>",))
    person = await signed_in(world, TENANT_OWNER)

    assert f"#i-{newer}" in (await person.get(PATH)).text
    refused = await person.post(f"{PATH}{approval}/approve/")
    assert refused.status_code == 409
    assert "newer message" in refused.text
    assert await states(world, sent) == {"held"}
    assert (await person.post(f"{PATH}{approval}/approve/", {"force": "1"})).status_code == 303
    assert await states(world, sent) == {"waiting"}


async def test_another_persons_inbox_has_no_letters_for_a_member(world: World) -> None:
    await held_letter(world)
    member = await signed_in(world, MEMBER)
    assert (await member.get(PATH)).status_code == 404
