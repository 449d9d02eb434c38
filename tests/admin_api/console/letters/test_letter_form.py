"""The form of a letter: recipients as people type them."""

import pytest

from admin_api.console.letters.letter_form import mailboxes, of_answer, typed
from tests.support.cost import is_within, seconds_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" , ;\n,", []),
        ("a@x.test, b@x.test;c@x.test\nd@x.test", ["a@x.test", "b@x.test", "c@x.test", "d@x.test"]),
        ('"Doe, Ann" <ann@x.test>, bo@x.test', ["Doe, Ann <ann@x.test>", "bo@x.test"]),
        ("  Ann  Doe   < ann@x.test >  ", ["Ann  Doe <ann@x.test>"]),
        ('a "b, c@x.test', ['a "b', "c@x.test"]),
        ('"a, b" "c, d@x.test', ['"a', 'b" "c', "d@x.test"]),
        ("Ann <a@x.test> Bo <b@x.test>", ["Ann <a@x.test> Bo <b@x.test>"]),
        ("<ann@x.test", ["<ann@x.test"]),
        ("a>b>", ["a>b>"]),
        ("<>", []),
        ("Ann <>", ["Ann <>"]),
    ],
)
def test_recipients_are_parted_outside_of_quotes(text: str, found: list[str]) -> None:
    shown = [
        f"{one['name']} <{one['email']}>" if one["name"] else one["email"]
        for one in mailboxes(text)
        if isinstance(one, dict)
    ]
    assert shown == found


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "a@x.test"),
        ("Ann Doe", "Ann Doe <a@x.test>"),
        ("Doe, Ann", '"Doe, Ann" <a@x.test>'),
        ("Ann; Bo", '"Ann; Bo" <a@x.test>'),
        ("Ann <Bo>", '"Ann <Bo>" <a@x.test>'),
    ],
)
def test_a_name_has_quotes_only_where_it_needs_them(name: str, shown: str) -> None:
    one = {"email": "a@x.test", "name": name}

    assert typed([one]) == shown
    assert mailboxes(shown) == [one]


def test_an_answer_to_a_letter_of_ours_goes_once_more_to_those_it_was_for() -> None:
    def box(email: str) -> dict[str, str]:
        return {"email": email, "name": ""}

    ours = {
        "message_id": "msg_1",
        "subject": "Quote",
        "from": box("Support@example.test"),
        "reply_to": [box("support+r.token@example.test")],
        "to": [box("grace@x.test")],
        "cc": [],
    }

    shown = of_answer(ours, own={"support@example.test"}, everybody=False)

    assert shown["to"] == "grace@x.test"


@pytest.mark.parametrize("text", ["a," * 100_000, "a" + " " * 100_000 + "b", '","' * 60_000])
def test_recipients_cost_no_more_than_their_length(text: str) -> None:
    # The first has seven times as many recipients; what grew with their square took thousands.
    plain = ", ".join(["ann@example.com"] * 15_000)
    assert is_within(40, lambda: mailboxes(text), seconds_of(lambda: mailboxes(plain)))
