"""vCards: what is read, what is kept, what cannot be taken."""

from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.contacts.cards import MAX_CARD, Anniversary, Card, Email, Phone, joined
from storage.contacts.vcard_properties import Version
from storage.contacts.vcards import ReadCard, Unreadable, read_cards
from storage.contacts.write_vcards import write_card
from storage.vcard.content_lines import bundled
from tests.support.cases import cases
from tests.support.cost import is_within, seconds_of

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
    return [one.card if isinstance(one, ReadCard) else one for one in read_cards(BytesIO(octets))]


def one(text: str) -> Card:
    (card,) = read(text)
    assert isinstance(card, Card), card
    return card


def card_of(*lines: str, version: str = "4.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""])


def test_a_card_without_its_version_is_read() -> None:
    text = card_of("N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Gr=C3=BCn;Ann", "TEL;CELL:+1 555")
    (card,) = read(text.replace("VERSION:4.0\r\n", ""))
    assert isinstance(card, Card)
    assert (card.full_name, [one.label for one in card.phones]) == ("Ann Grün", ["cell"])


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
    assert card.emails == (Email("Navy", "grace@navy.test"),)
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
        card_of("FN:Old", version="2.0"),
        "BEGIN:VCARD\r\nVERSION:\r\nFN:None\r\nEND:VCARD\r\n",
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


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("TEL;HOME;VOICE:1", "home"),
        ("TEL;WORK;FAX:1", "work fax"),
        ("TEL;X-My Label:1", "My Label"),
        ("TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=C5=BEof):1", "žof"),
        ("TEL;TYPE=PREF;TYPE=CELL:1", "cell"),
        ('TEL;TYPE="pref,home":1', "home"),
        ('TEL;TYPE="never closed:1', "never closed"),
        ('TEL;TYPE="text,voice,cell":1', "cell"),
        ("TEL;TYPE=FAX,WORK:1", "work fax"),
        ("TEL; TYPE = CELL : 1", "cell"),
        ("TEL;CELL:\u202a1\u202c", "cell"),
        ("TEL:1", ""),
    ],
)
def test_a_label_is_the_first_type_that_tells_what_a_number_is_for(line: str, label: str) -> None:
    card = one(card_of("FN:x", line, version="2.1"))
    assert card.phones == (Phone(label, "1"),)
    back = one(write_card(card, uid="x", updated_at=0))
    assert back.phones == card.phones


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"FN;CHARSET=windows-1251:\xc0\xed\xed\xe0", "Анна"),
        (b"FN;CHARSET=GB2312:\xc4\xe3\xba\xc3", "你好"),
        (b"FN;CHARSET=Shift_JIS;ENCODING=QUOTED-PRINTABLE:=83=4A=83=69", "カナ"),
        (b"FN;CHARSET=x-sjis:\x83\x4a\x83\x69", "カナ"),
        (b"FN;CHARSET=x-gbk:\xc4\xe3\xba\xc3", "你好"),
        (b"FN;CHARSET=iso-8859-8-i:\xf9\xec\xe5\xed", "שלום"),
        (b"FN;CHARSET=no-such-thing:Gr\xf6\xdfe", "Größe"),
        (b"FN;CHARSET=UTF-8:Gr\xf6\xdfe", "Größe"),
        (b"FN;CHARSET=ISO-8859-1:Gr\xc3\xb6\xc3\x9fe", "Größe"),
        (b"FN:\x80uro \x93x\x94", "€uro “x”"),
        (b"FN;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:=80=\r\n5", "€5"),
    ],
)
def test_a_name_is_read_in_the_charset_that_it_is_in(octets: bytes, name: str) -> None:
    (card,) = read(b"BEGIN:VCARD\r\nVERSION:2.1\r\n" + octets + b"\r\nEND:VCARD\r\n")
    assert isinstance(card, Card)
    assert card.full_name == name


def test_days_and_addresses_are_read_as_phones_write_them() -> None:
    days = {
        "1604-04-15": "--04-15",
        "0000-04-15": "--04-15",
        "1980-4-5": "1980-04-05",
        "1980/04/05": "1980-04-05",
        "5.4.1980": "1980-04-05",
        "19800405T000000Z": "1980-04-05",
        "1980-04-05 00:00:00": "1980-04-05",
        "1980-04-05Z": "1980-04-05",
    }
    with cases() as case:
        for written, day in days.items():
            with case(written):
                card = one(card_of("FN:x", f"BDAY:{written}"))
                assert card.anniversaries == (Anniversary("birthday", day),)
                assert one(write_card(card, uid="x", updated_at=0)) == replace(card, uid="x")
        for written in ("Ada <a@x.test>", "<a@x.test>", "mailto:a@x.test"):
            with case(written):
                assert one(card_of("FN:x", f"EMAIL:{written}")).emails == (Email("", "a@x.test"),)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_file_is_read_in_any_form_of_unicode_and_with_any_line_ends(
    encoding: str, end: str
) -> None:
    text = card_of("FN:Zoë 字", "TEL:1").replace("\r\n", end)
    (card,) = read(text.encode(encoding))
    assert isinstance(card, Card)
    assert (card.full_name, card.phones) == ("Zoë 字", (Phone("", "1"),))


def test_a_picture_of_an_older_card_is_read_in_all_its_forms() -> None:
    forms = [
        "PHOTO;ENCODING=BASE64;JPEG:AAAA\r\n BBBB\r\n",
        "PHOTO;TYPE=JPEG;ENCODING=BASE64:\r\n AAAA\r\n BBBB\r\n",
        "PHOTO;BASE64;TYPE=JPEG:AAAA\r\nBBBB\r\n",
        "PHOTO;ENCODING=b;TYPE=image/jpeg:AAAABBBB\r\n",
        "PHOTO;ENCODING=b;MEDIATYPE=image/jpeg:AAAABBBB\r\n",
        "PHOTO:data:image/jpeg;base64,AAAA\r\nBBBB\r\n",
    ]
    for form in forms:
        card = one(card_of("FN:x", form, "TEL:1", version="2.1"))
        assert card.lines == ("PHOTO:data:image/jpeg;base64,AAAABBBB",)
        assert card.phones == (Phone("", "1"),)
        written = write_card(card, uid="x", updated_at=0, version="3.0")
        assert "PHOTO;ENCODING=b;TYPE=JPEG:AAAABBBB\r\n" in written


@pytest.mark.parametrize("head", ["AGENT:\r\n", "AGENT:"])
def test_a_card_within_a_card_is_kept_as_its_agent(head: str) -> None:
    inner = card_of("FN:Agent", version="2.1")
    card = one(card_of("FN:Boss", f"{head}{inner}", "TEL:1", version="2.1"))
    assert (card.full_name, card.phones) == ("Boss", (Phone("", "1"),))
    assert card.lines == ("AGENT:BEGIN:VCARD\\nVERSION:2.1\\nFN:Agent\\nEND:VCARD\\n",)


@pytest.mark.parametrize(
    "photo",
    [
        "PHOTO:data:application/octet-stream;base64,AAAA",
        "PHOTO:data:image/SVG;base64,AAAA",
        "PHOTO:data:text/plain;base64,AAAA",
        "PHOTO;PREF=1:data:image/png;base64,AAAA",
        f"PHOTO;X-ABCROP-RECTANGLE={'ABClipRect_1&0&0&378&378&' * 4}:data:image/jpeg;base64,AAAA",
        'ADR;LABEL="' + "a long street, " * 9 + '":;;x;;;;',
    ],
)
def test_an_export_that_is_read_again_changes_nothing(photo: str) -> None:
    card = one(card_of("FN:x", "URL:https://x.test", photo, "PHOTO:https://x.test/a.jpg"))
    versions: tuple[Version, ...] = ("3.0", "4.0")
    for version in versions:
        assert one(write_card(card, uid="", updated_at=0, version=version)) == card


@pytest.mark.parametrize("parts", ["N:Madonna;;;;", "N:;Madonna;;;"])
def test_an_export_has_the_parts_of_a_name(parts: str) -> None:
    card = one(card_of("FN:Madonna", parts))
    versions: tuple[Version, ...] = ("3.0", "4.0")
    for version in versions:
        assert f"{parts}\r\n" in write_card(card, uid="u", updated_at=0, version=version)


def test_texts_in_base_64_are_read() -> None:
    assert one(card_of("FN;ENCODING=b:R3LDtsOfZQ==", version="3.0")).full_name == "Größe"
    card = one(
        card_of(
            "FN;CHARSET=UTF-8;ENCODING=BASE64:5byg5LiJ",
            "NOTE;ENCODING=BASE64:YQ0KYixjO2Q=",
            "ORG;ENCODING=BASE64:QTtC",
            "TITLE;ENCODING=BASE64:what is this?",
            version="2.1",
        )
    )
    assert (card.full_name, card.notes, card.organization) == ("张三", "a\nb,c;d", "A, B")
    assert "TITLE;ENCODING=BASE64:what is this?" in card.lines


def test_a_stray_line_spoils_no_number_and_is_told() -> None:
    for before in ("TEL:1", "EMAIL:a@x.test", "PRODID:p", "REV:20200101", "UID:u"):
        (found,) = read_cards(BytesIO(card_of(f"{before}\r\nstray", "FN:x").encode()))
        assert isinstance(found, ReadCard)
        assert found == ReadCard(
            one(card_of(before, "FN:x")), "Left out: a line that is no property."
        )
    assert one("BEGIN:VCARD\r\nVERSION:4.0\r\nstray\r\nFN:x\r\nEND:VCARD\r\n").full_name == "x"


def test_a_line_end_within_a_parameter_loses_no_property() -> None:
    card = one(card_of("FN:x", 'ADR;LABEL="1 Main\r\nTown":;;1 Main;Town;;;'))
    assert card.lines == ('ADR;LABEL="1 Main\\nTown":;;1 Main;Town;;;',)


def test_several_notes_come_back_each_while_the_card_says_them() -> None:
    notes = ["NOTE:one", "NOTE;LANGUAGE=fr:deux", "NOTE:three"]
    card = one(card_of("FN:x", *notes))
    assert card.notes == "one\n\ndeux\n\nthree"
    written = write_card(card, uid="", updated_at=0)
    assert [line for line in written.split("\r\n") if line.startswith("NOTE")] == notes
    assert one(written) == card
    changed = write_card(replace(card, notes="four"), uid="", updated_at=0)
    assert [line for line in changed.split("\r\n") if line.startswith("NOTE")] == ["NOTE:four"]


@pytest.mark.parametrize("end", ["\x1a", "\x00", "\r\n\x1a", ""])
def test_a_file_may_end_in_what_ends_no_text(end: str) -> None:
    assert one(card_of("FN:x").rstrip() + end).full_name == "x"


def test_a_path_of_2_1_keeps_its_backslashes() -> None:
    card = one(card_of("FN:C:\\new\\; old", version="2.1"))
    assert card.full_name == "C:\\new; old"


def test_what_is_kept_but_not_shown_and_what_is_left_out_is_told() -> None:
    file = card_of(
        "FN:x", "EMAIL:no address", "BDAY:1985", f"PHOTO:data:image/png;base64,{'A' * MAX_CARD}"
    )
    (found,) = read_cards(BytesIO(file.encode()))
    assert isinstance(found, ReadCard)
    assert found.told == (
        "Not as it should be, kept but not shown: EMAIL, BDAY. Left out: PHOTO (too large)."
    )
    assert found.card.lines == ("EMAIL:no address", "BDAY:1985")


@pytest.mark.parametrize(
    "kind", ["KIND:group", "X-ADDRESSBOOKSERVER-KIND:group", "X-EVOLUTION-LIST:TRUE"]
)
def test_a_group_of_cards_is_passed_over(kind: str) -> None:
    (found,) = read(card_of("FN:Team", kind, "MEMBER:urn:uuid:1"))
    assert isinstance(found, Unreadable)
    assert found.status == "skipped"


def test_what_is_said_twice_in_other_words_comes_back_while_the_card_says_it() -> None:
    card = one(
        card_of(
            "FN:x", "ORG:One", "ORG:Two", "EMAIL;TYPE=work:a@x.test", "EMAIL;TYPE=home:A@x.test"
        )
    )
    written = write_card(card, uid="x", updated_at=0)
    assert written.count("ORG:") == 2
    assert "EMAIL;TYPE=home:A@x.test\r\n" in written
    assert "A@x.test" not in write_card(replace(card, emails=()), uid="x", updated_at=0)


def test_groups_of_two_joined_cards_keep_their_labels_apart() -> None:
    labelled = ("item1.X-A:1", "item1.X-ABLabel:mine"), ("item1.X-B:2", "item1.X-ABLabel:yours")
    first, second = (one(card_of("FN:x", *lines)) for lines in labelled)
    both = joined(first, second)
    back = one(write_card(both, uid="x", updated_at=0))
    assert [text.split("\n") for text in back.lines] == [
        ["item1.X-A:1", "item1.X-ABLabel:mine"],
        ["item2.X-B:2", "item2.X-ABLabel:yours"],
    ]
    assert joined(both, replace(back, uid="")) == both


@example(["i.X-ABLabel:b"] * 6)
@example(["i.X-ABLabel:a", "i.X-ABLabel:b", "i.X-ABLabel:c", "i.X-ABLabel:d", "i.X-ABLabel:e"])
@given(
    st.lists(
        st.sampled_from(
            [
                "FN:a",
                "TEL:1",
                "TEL;HOME:1",
                "EMAIL:a@x.test",
                "i.TEL:2",
                "i.X-ABLabel:b",
                "NOTE:c",
                "N:d;e",
                "ORG:f;g",
                "BDAY:1985-04-12T10:00:00",
                "X-Y:z",
            ]
        )
    )
)
def test_a_card_that_is_joined_with_itself_stays_as_it_is(lines: list[str]) -> None:
    card = one(card_of("FN:x", *lines, version="3.0"))
    assert joined(card, card) == card
    versions: tuple[Version, ...] = ("3.0", "4.0")
    for version in versions:
        back = one(write_card(card, uid="u", updated_at=0, version=version))
        assert joined(replace(card, uid="u"), back) == replace(card, uid="u")


def hostile(line: str, *, times: int, first: str = "") -> str:
    return card_of("FN:x", *filter(None, [first]), *(line.format(n) for n in range(times)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (hostile("EMAIL:a{}@x.test", times=30_000), "properties"),
        (hostile("EMAIL:a{}@x.test", times=1_900), "100 of something"),
        (hostile("X-A:", times=30_000), "properties"),
        (hostile("CATEGORIES:{}", times=1_900), "100 of something"),
        (card_of("FN:x", "ORG:" + "\\a" * 30_000), "500 characters"),
        (card_of("FN:x", "N:" + "\\a;" * 500_000), ""),
        (card_of("FN:x", "X;" + "a" * 1_000_000), ""),
        (card_of("FN:x", "X" + ";" * 1_000_000 + ":"), ""),
        (card_of("FN:x", *["a"] * 99_000), ""),
        (card_of("FN:x", *[""] * 200_000), "lines"),
        (hostile("X-A:" + "b" * 2_000, times=1_900), ""),
        (hostile("item1.TEL:{}", times=1_900), "100 of something"),
    ],
    ids=lambda one: repr(one[-40:] if len(one) > 40 else one),
)
def test_a_card_made_to_hurt_costs_no_more_than_its_octets(text: str, told: str) -> None:
    plain = card_of("FN:x", "NOTE:" + "many words of a note, " * 150_000)
    (found,) = read(text)
    assert told in (found.message if isinstance(found, Unreadable) else "")
    assert is_within(40, lambda: read(text), seconds_of(lambda: read(plain)))


def test_what_a_group_says_is_not_held_for_each_of_its_properties_without_bound() -> None:
    labels = [f"item1.X-ABLabel:{'b' * 900}{n}" for n in range(900)]
    numbers = [f"item1.X-A:{n}" for n in range(900)]
    entries = bundled([*labels, *numbers])
    assert len(entries) == 900 + 896
    assert sum(map(len, entries)) < 6 * sum(map(len, labels))


@pytest.mark.parametrize(
    "line", ["ORG:" + "\\a" * 50_000, "N:" + ";" * 70_000, "ADR:" + "a" * 70_000]
)
def test_a_value_of_parts_is_left_out_when_no_reader_could_show_it(line: str) -> None:
    (found,) = read_cards(BytesIO(card_of("FN:x", line).encode()))
    assert isinstance(found, ReadCard)
    assert found.told == f"Left out: {line.partition(':')[0]} (too large)."
