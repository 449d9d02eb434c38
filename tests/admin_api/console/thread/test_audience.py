"""Who can see a thread, and what a mention would open: as far as the inbox that looks may know."""

from typing import Any

from admin_api.console.thread.audience import audience, copies_of_all, gets
from admin_api.console.thread.time_line import People
from tests.admin_api.console.thread.test_time_line import ANN, BO, PEOPLE, act, message, note

BY_LIST = [{"address": "team@x.test", "list_id": "lst_1"}]
TEAM = [{"inbox_id": one} for one in ("inb_ann", "inb_bo", "inb_cy")]
BEFORE, BETWEEN = "2027-01-01T00:00:00.000Z", "2027-01-15T08:00:30.000Z"


def copy(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return message(number, folder="inbox", seen_by=None, **more)


def test_who_can_see_it_is_told_as_far_as_this_inbox_knows() -> None:
    messages = [copy(0, via=BY_LIST), copy(1) | {"folder": None}]
    acts = [act("assigned", ANN, BO), act("assigned", BO, BO)]
    others = [
        "Bo was given messages when you assigned it.",
        "Bo mentioned cy@x.test in a note.",
    ]

    def told(members: dict[str, dict[str, str]]) -> list[str]:
        return audience(messages, [note(0, "cy@x.test")], acts, PEOPLE, members)

    hold = "You hold 1 of 2 messages."
    assert told({}) == [hold, "Its members got copies by team@x.test.", *others]
    on_it = {"inb_ann": BEFORE, "inb_bo": BEFORE, "inb_late": BETWEEN}
    assert told({"lst_1": on_it}) == [hold, "Bo got copies by team@x.test.", *others]
    on_it |= {f"inb_{n}": BEFORE for n in range(9)}
    (_, told_of_list, *_) = told({"lst_1": on_it})
    assert told_of_list.endswith(" and 2 more got copies by team@x.test.")


def test_who_had_all_of_it_was_given_nothing_and_oneself_is_you() -> None:
    people = People({"inb_cy": "Cy"}, "inb_ann", {"ann@x.test": "inb_ann", "cy@x.test": "inb_cy"})
    messages = [copy(0, via=BY_LIST), copy(1) | {"folder": None}]
    acts = [act("assigned", ANN, BO), act("assigned", BO, ANN)]
    notes = [note(0, "Ann@x.test", "cy@x.test")]

    def told(count: int) -> list[str]:
        return audience(messages[:count], notes, acts, people, {"lst_1": {"inb_bo": BEFORE}})[2:]

    by_notes = [
        "A deleted inbox mentioned you in a note.",
        "A deleted inbox mentioned Cy in a note.",
    ]
    given = ["A deleted inbox was given messages when you assigned it."]
    assert told(1) == by_notes
    assert told(2) == [
        *given,
        "You were given messages when a deleted inbox assigned it.",
        *by_notes,
    ]


def test_a_mention_opens_the_messages_that_a_teammate_does_not_have() -> None:
    held = [copy(0, via=BY_LIST), copy(1, via=BY_LIST)]
    members = {"lst_1": {"inb_bo": BEFORE, "inb_cy": BETWEEN}}

    assert gets(held, TEAM, members) == {
        "inb_ann": "will be given these 2 messages",
        "inb_bo": "has a copy",
        "inb_cy": "will be given 1 of these 2 messages",  # was not on the list yet
    }
    assert gets(held[:1], TEAM, {})["inb_bo"] == "will be given this message"
    read = [copy(0, via=BY_LIST) | {"seen_by": [BO]}]
    assert gets(read, TEAM, {})["inb_bo"] == "has a copy"  # a former member, who has read it
    assert gets([], TEAM[:1], members) == {"inb_ann": "will see the note alone"}


def test_all_copies_are_counted_by_inbox() -> None:
    way = {"address": "team@x.test", "list_id": "lst_1", "rule": "address", "recipient": "x"}
    own = {**way, "address": "bo@x.test", "list_id": None}

    def explained(*ways: object, status: str = "delivered") -> dict[str, object]:
        return {"deliveries": [{**BO, "status": status, "via": [*ways]}]}

    found = copies_of_all([explained(way, own), explained(way), explained(way, status="deleted")])

    assert [*found] == ["bo@x.test"]
    assert found["bo@x.test"]["had"] == {"delivered": 2, "deleted": 1}
    assert [*found["bo@x.test"]["via"].values()] == [way, own]
