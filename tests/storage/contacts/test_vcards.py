"""vCards: what is read, what is kept, what cannot be taken."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.contacts.cards import Anniversary, Card, Email, Phone
from storage.contacts.vcards import MAX_CARD, Unreadable, Version, read_cards, write_card

LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60)
TEXT = st.lists(LINE.map(str.strip), max_size=3).map("\n".join)
NAME = LINE.map(lambda text: " ".join(text.split()))
LABEL = st.sampled_from(["", "work", "my own", 'a "b", c;d:e', "^n"])
CARDS = st.builds(
    Card,
    full_name=NAME.filter(bool),
    emails=st.lists(
        st.builds(Email, LABEL, st.sampled_from(["a@x.test", '"b,c"@x.test', '"a b"@x.test'])),
        max_size=2,
        unique_by=lambda email: email.canonical,
    ).map(tuple),
    phones=st.lists(
        st.builds(Phone, LABEL, st.sampled_from(["+1 555", "3;4"])), max_size=2, unique=True
    ).map(tuple),
    notes=TEXT,
    labels=st.lists(NAME.filter(bool), max_size=3, unique=True).map(tuple),
    anniversaries=st.lists(
        st.builds(
            Anniversary,
            st.sampled_from(["birthday", "anniversary", "name day"]),
            st.sampled_from(["2001-02-28", "--02-29"]),
        ),
        max_size=3,
        unique=True,
    ).map(tuple),
)


def read(text: str | bytes) -> list[Card | Unreadable]:
    octets = text if isinstance(text, bytes) else text.encode()
    return list(read_cards(octets.splitlines(keepends=True)))


def one(text: str) -> Card:
    (card,) = read(text)
    assert isinstance(card, Card), card
    return card


def card_of(*lines: str, version: str = "4.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""])


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@given(card=CARDS)
def test_a_card_comes_back_as_it_was_written(version: Version, card: Card) -> None:
    written = write_card(card, uid="x", updated_at=0, version=version)
    assert all(len(line) <= 75 for line in written.encode().split(b"\r\n"))
    back = one(written)
    assert replace(back, uid="", lines=()) == card
    assert back.lines == ()


def test_what_has_no_place_on_a_card_comes_back_as_it_came() -> None:
    odd = [
        "N:Hopper;Grace;Brewster;Dr.;",
        "item1.EMAIL;PREF=1;TYPE=work:grace@navy.test",
        "item1.X-ABLabel:Navy",
        "ORG:US Navy;Bureau of Ships",
        'X-ODD;P="a;b:c":1\\;2\\,3',
        "PHOTO:data:image/png;base64,AAAA",
        "ADR;TYPE=home:;;1 Main St;Arlington;VA;22201;USA",
        "EMAIL:not an address",
    ]
    card = one(card_of("FN:Grace Hopper", *odd))
    assert card.emails == (Email("work", "grace@navy.test"),)
    assert card.organization == "US Navy, Bureau of Ships"
    written = write_card(card, uid="x", updated_at=0).replace("\r\n ", "").split("\r\n")
    assert {*odd} <= {*written}
    assert sum(line.upper().startswith(("EMAIL", "ITEM1.EMAIL")) for line in written) == 2
    assert sum(line.startswith("ORG") for line in written) == 1

    moved = replace(card, emails=(Email("home", "grace@navy.test"),), organization="Yale")
    written = write_card(moved, uid="x", updated_at=0).split("\r\n")
    assert "EMAIL;TYPE=home:grace@navy.test" in written
    assert "ORG:Yale" in written
    assert not any("PREF=1" in line or "Bureau" in line for line in written)


def test_cards_of_other_programs_are_read() -> None:
    card = one(
        card_of(
            "N:Hopper;Grace;;;",
            "TEL;CELL;VOICE:+1 555",
            "TEL;VALUE=uri;TYPE=work:tel:+1-556",
            "BDAY;X-APPLE-OMIT-YEAR=1604:1604-12-09",
            "ANNIVERSARY:20010228T000000Z",
            "PHOTO;ENCODING=b;TYPE=JPEG:AAAA",
            "CATEGORIES:a,b\\,c",
            "NOTE:one\\ntwo",
            version="3.0",
        )
    )
    assert card.full_name == "Grace Hopper"
    assert card.phones == (Phone("cell", "+1 555"), Phone("work", "+1-556"))
    assert {(day.type, day.date) for day in card.anniversaries} == {
        ("birthday", "--12-09"),
        ("anniversary", "2001-02-28"),
    }
    assert "PHOTO:data:image/jpeg;base64,AAAA" in card.lines
    assert (card.labels, card.notes) == (("a", "b,c"), "one\ntwo")


def test_a_fold_within_a_character_is_undone() -> None:
    folded = "FN:Zoë".encode()
    raw = card_of("X").encode().replace(b"X\r\n", folded[:6] + b"\r\n " + folded[6:] + b"\r\n")
    (card,) = read(b"\xef\xbb\xbf" + raw)
    assert isinstance(card, Card)
    assert card.full_name == "Zoë"


@pytest.mark.parametrize(
    "text",
    [
        card_of("FN:Old", version="2.1"),
        "BEGIN:VCARD\r\nFN:None\r\nEND:VCARD\r\n",
        card_of("NOTE:Nobody"),
        card_of("FN:" + "x" * 501),
        card_of("FN:x", *(f"EMAIL:a{n}@x.test" for n in range(101))),
        card_of("FN:x", "NOTE:" + "x" * MAX_CARD),
        "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n",
        "something else\r\n",
        '{"no": "card"}',
    ],
)
def test_a_card_that_cannot_be_taken_disturbs_no_other(text: str) -> None:
    whole = card_of("FN:Whole")
    fault, card = read(text + "\r\n" + whole)
    assert isinstance(fault, Unreadable)
    assert isinstance(card, Card)
    assert card.full_name == "Whole"


@given(st.binary(max_size=300))
def test_any_octets_are_read_without_a_fault_of_ours(raw: bytes) -> None:
    framed = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n" + raw + b"\r\nEND:VCARD\r\n"
    for card in read(framed):
        if isinstance(card, Card):
            write_card(card, uid="x", updated_at=0)
            write_card(card, uid="x", updated_at=0, version="3.0")
