"""The mailto of a reply (RFC 6068)."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from admin_api.console.thread.reply import MOST_BODY, answered, mailto

OWN = {"team@example.test", "sales@example.test"}


def message(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    def box(text: str) -> dict[str, str]:
        return {"email": text, "name": ""}

    given: dict[str, Any] = {
        "from": "grace@x.test",
        "reply_to": [],
        "to": ["Team@example.test", "ada@y.test"],
        "cc": ["grace@x.test", "ada@y.test"],
        "subject": "Hi",
        "text_body": "one\ntwo\n",
        "headers": [{"name": "MESSAGE-ID", "value": "<a&b@x.test>"}],
    } | fields
    lists = {name: [box(one) for one in given[name]] for name in ("reply_to", "to", "cc")}
    return given | lists | {"from": box(given["from"])}


def read(link: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(link)
    assert parts.scheme == "mailto"
    query = {name: one[0] for name, one in parse_qs(parts.query, strict_parsing=True).items()}
    return unquote(parts.path), query


def test_a_reply_goes_to_the_sender_and_to_those_who_are_not_of_the_team() -> None:
    assert read(mailto(message(), own=OWN)) == (
        "grace@x.test",
        {
            "cc": "ada@y.test",
            "subject": "Re: Hi",
            "In-Reply-To": "<a&b@x.test>",
            "body": "\r\n\r\ngrace@x.test wrote:\r\n> one\r\n> two",
        },
    )


def test_an_answer_to_a_letter_of_ours_goes_once_more_to_those_it_was_for() -> None:
    ours = message(
        **{"from": "sales@example.test", "reply_to": ["sales+r.token@example.test"]},
        to=["grace@x.test"],
        cc=[],
    )

    assert read(mailto(ours, own=OWN))[0] == "grace@x.test"


def test_reply_to_comes_before_from_and_a_template_before_the_quote() -> None:
    link = mailto(message(reply_to=["desk@x.test"]), own=OWN, subject="S", body="B & C")

    to, fields = read(link)
    assert (to, fields["subject"], fields["body"]) == ("desk@x.test", "S", "B & C")


@pytest.mark.parametrize(
    "hostile",
    ["a?bcc=x@y.test", "a&bcc=x@y.test", "a%0d%0aBcc:x@y.test", "a,b@y.test", "a b@y.test"],
)
def test_no_address_or_subject_adds_a_field(hostile: str) -> None:
    given = message(subject=hostile, text_body=hostile, cc=[hostile], reply_to=[hostile])

    _, fields = read(mailto(given, own=OWN))
    assert set(fields) <= {"cc", "subject", "In-Reply-To", "body"}
    assert "\n" not in fields["subject"]


def test_a_reply_is_cut_to_what_mail_programs_take() -> None:
    link = mailto(message(text_body="x" * 9000, subject="y" * 9000), own=OWN)

    assert len(read(link)[1]["body"].replace("\r", "")) == MOST_BODY
    assert len(link) < 3000


@pytest.mark.parametrize("subject", ["Re: Hi", "RE: Hi", "re[2]: Hi", "Re : Hi"])
def test_an_answer_to_an_answer_is_called_so_once(subject: str) -> None:
    assert answered(subject) == subject
