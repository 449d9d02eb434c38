"""Encoded words as senders write them: with question marks, and cut where they must not be."""

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.encoded_words import readable
from tests.support.cases import cases

# What comes, and what it says.
TEXTS = (
    ("=?utf-8?Q?Really??=", "Really?"),
    ("=?utf-8?Q?Who?_Me?_Yes!?= and more", "Who? Me? Yes! and more"),
    ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=E2=80=A6_ok?=", "Grüße?… ok"),
    ("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),
    ("=?utf-8?Q?a?=BAR =?utf-8?Q?b?=", "aBAR b"),
    ("=?utf-8?Q?a?=20=?utf-8?Q?b?=", "a20b"),
    ("=?utf-8?Q?open_=?utf-8?Q?=C3=A4?=", "=?utf-8?Q?open_ä"),
)
CUT = (
    ("=?utf-8?Q?Gr=C3=?= =?utf-8?Q?BC=C3=9Fe?=", "Grüße"),
    ("=?utf-8?Q?Gr=C?= =?utf-8?Q?3=BC=C3=9Fe?=", "Grüße"),
    ("=?iso-8859-1?Q?Gr=F?=\t=?ISO-8859-1?q?C=DFe?=", "Grüße"),
    ("=?utf-8?B?R3LDvMO?= =?utf-8?B?fZQ==?=", "Grüße"),
    ("=?utf-8?B?R3LDv?= =?utf-8?B?MOfZQ==?=", "Grüße"),
    ("=?iso-8859-1?B?R3L83?= =?iso-8859-1?B?2U=?=", "Grüße"),
    ("=?iso-8859-1?b?ey?= =?iso-8859-1?b?Pnf?= =?iso-8859-1?b?Q==?=", "{#ç}"),
    # Padding that was left out is no cut.
    ("=?utf-8?B?R3LDvA?= =?utf-8?B?w59l?=", "Grüße"),
    ("=?koi8-r?B?8NLJ1w?= =?koi8-r?B?xdQ?=", "Привет"),
    # An escape that never goes on stays as it is, and a half letter takes no other one with it.
    ("=?utf-8?Q?a=C?= =?utf-8?Q?x?=", "a=Cx"),
    ("=?utf-8?Q?Gr=C3=BC=C3=9Fe=20an=20=C3?=", "Grüße an \ufffd"),
    ("=?utf-8?Q?Gr=FC=DFe?=", "Grüße"),
)


def test_a_question_mark_does_not_end_a_word() -> None:
    with cases() as case:
        for written, said in TEXTS:
            with case(written):
                assert readable(written) == said


def test_words_that_were_cut_are_put_together() -> None:
    with cases() as case:
        for written, said in CUT:
            with case(written):
                assert readable(written) == said


def test_names_have_question_marks_and_commas_in_their_words() -> None:
    found = parse_mailboxes("=?utf-8?Q?Who,_me??= <a@x.test>, b@x.test", 9)
    assert found == (Mailbox("Who, me?", "a@x.test"), Mailbox("", "b@x.test"))


def test_quotes_around_a_whole_name_are_not_the_names() -> None:
    for written in (
        "=?utf-8?Q?=22Doe,_Ann=22?=",
        "=?utf-8?B?IkRvZSwgQW5uIg==?=",
        r'"\"Doe, Ann\""',
    ):
        assert parse_mailboxes(f"{written} <a@x.test>", 9) == (Mailbox("Doe, Ann", "a@x.test"),)
    kept = '"Ann" and "Bob"'
    assert parse_mailboxes("=?utf-8?Q?=22Ann=22_and_=22Bob=22?= <a@x.test>", 9)[0].name == kept


def test_endless_words_take_time_in_proportion() -> None:
    """Each would take minutes if a sign were looked at once for every other one."""
    for part in ("=?u?q?", "?", "?=AA", "=", "=?utf-8?b?8J+Y?= ", "=?utf-8?q?=C?= "):
        assert len(readable("=?utf-8?q?" + part * 16_000)) <= 998


def test_a_colon_is_of_a_name_brackets_may_hold_one_and_a_remark_is_no_mailbox() -> None:
    wanted = {
        "<root>": (Mailbox("root", ""),),
        "<a b@x.test>": (Mailbox("a b@x.test", ""),),
        "<>": (),
        "Team: a@x.test; (the end)": (Mailbox("", "a@x.test"),),
        "Desk: Ann <a@x.test>": (Mailbox("Desk: Ann", "a@x.test"),),
        "https://x.test/: Ann <a@x.test>": (Mailbox("https://x.test/: Ann", "a@x.test"),),
        "Desk:a@x.test, b@x.test": (Mailbox("Desk:", "a@x.test"), Mailbox("", "b@x.test")),
        "Desk: Ann <a@x.test>;": (Mailbox("Ann", "a@x.test"),),
        "undisclosed-recipients:": (),
        "(Ann)": (Mailbox("Ann", ""),),
        "a.(one)b@(two)x.test": (Mailbox("one two", "a.b@x.test"),),
    }
    with cases() as case:
        for written, mailboxes in wanted.items():
            with case(written):
                assert parse_mailboxes(written, 9) == mailboxes
