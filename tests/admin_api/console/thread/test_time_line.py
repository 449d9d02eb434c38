"""The time line: order, what is open, words for acts and for the envelope."""

from typing import Any

import pytest

from admin_api.console.thread.time_line import (
    MOST_OPEN,
    People,
    facts,
    outside_sender,
    sentence,
    time_line,
)

ANN = {"inbox_id": "inb_ann", "address": "ann@x.test"}
BO = {"inbox_id": "inb_bo", "address": "bo@x.test"}
PEOPLE = People({"inb_ann": "Ann", "inb_bo": "Bo"}, "inb_ann")


def message(number: int, *, read: bool | None = True, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "message_id": f"msg_{number}",
        "received_at": f"2027-01-15T08:{number:02}:00.000Z",
        "is_read": read,
        "via": [],
    } | more


def act(kind: str, by: Any, to: Any) -> dict[str, Any]:  # noqa: ANN401
    at = "2027-01-15T08:01:00.000Z"
    return {"type": kind, "by": by, "assignee": to, "created_at": at}


def note(number: int, *mentions: str) -> dict[str, Any]:
    at = f"2027-01-15T08:{number:02}:30.000Z"
    by = "inb_bo"
    return {
        "note_id": f"note_{number}",
        "created_at": at,
        "mentions": mentions,
        "author_inbox_id": by,
    }


def test_everything_stands_in_the_order_of_time() -> None:
    items = time_line([message(0), message(1)], [note(0)], [act("closed", ANN, None)])

    assert [item.id for item in items] == ["msg_0", "note_0", "msg_1", "act-1"]


def test_unread_ones_the_last_one_and_the_chosen_one_are_open() -> None:
    messages = [message(n, read=n != 2) for n in range(5)]

    assert [item.id for item in time_line(messages, [], [], opened="msg_1") if item.is_open] == [
        "msg_1", "msg_2", "msg_4",
    ]  # fmt: skip


def test_of_many_unread_ones_few_are_open() -> None:
    items = time_line([message(n, read=False) for n in range(50)], [], [])

    assert sum(item.is_open for item in items) == MOST_OPEN


def test_what_was_opened_without_a_copy_is_folded() -> None:
    items = time_line([message(0, read=None), message(1, read=None)], [], [])

    assert [item.is_open for item in items] == [False, True]


@pytest.mark.parametrize(
    ("kind", "by", "to", "text"),
    [
        ("assigned", ANN, BO, "You assigned this to Bo"),
        ("assigned", BO, ANN, "Bo assigned this to you"),
        ("assigned", BO, BO, "Bo took this"),
        ("unassigned", BO, ANN, "Bo took this from you"),
        ("unassigned", ANN, None, "You assigned this to nobody"),
        ("closed", BO, None, "Bo closed this"),
        ("reopened", None, None, "Postroom opened this again"),
        ("closed", {"inbox_id": "inb_gone", "address": "x"}, None, "A deleted inbox closed this"),
    ],
)
def test_an_act_is_a_sentence(kind: str, by: object, to: object, text: str) -> None:
    assert sentence(act(kind, by, to), PEOPLE) == text


def test_the_sender_is_the_last_one_who_is_not_of_the_team() -> None:
    messages = [{"from": {"email": one, "name": ""}} for one in ("g@out.test", "Ann@X.test", "")]

    assert outside_sender(messages, frozenset({"ann@x.test"})) == messages[0]["from"]
    assert outside_sender(messages[1:], frozenset({"ann@x.test"})) is None


@pytest.mark.parametrize(
    ("envelope", "told"),
    [
        (None, ["You have no copy"]),
        ({"mail_from": "g@out.test", "rcpt_to": ["team@x.test"], "tls": "TLSv1.3"}, []),
        ({"mail_from": "", "rcpt_to": ["team@x.test"], "tls": "TLSv1.3"}, ["Sent with an empty"]),
        ({"mail_from": "b@b.test", "rcpt_to": ["team@x.test"], "tls": "x"}, ["The envelope names"]),
        ({"mail_from": "g@out.test", "rcpt_to": ["ann@x.test"], "tls": "x"}, ["It came for ann@"]),
        ({"mail_from": "g@out.test", "rcpt_to": ["team@x.test"], "tls": None}, ["It came without"]),
    ],
)
def test_the_envelope_is_told_where_it_differs(envelope: object, told: list[str]) -> None:
    boxes = {"from": {"email": "G@out.test"}, "to": [{"email": "Team@x.test"}], "cc": []}

    found = facts(boxes | {"envelope": envelope})
    assert [one[: len(text)] for one, text in zip(found, told, strict=True)] == told


def test_of_a_letter_of_ours_no_way_is_told() -> None:
    envelope = {"mail_from": "team@x.test", "rcpt_to": ["g@out.test"], "tls": None}
    boxes = {"from": {"email": "team@x.test"}, "to": [{"email": "g@out.test"}], "cc": []}

    assert facts({"kind": "sent", "envelope": envelope, **boxes}) == []
