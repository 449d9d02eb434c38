"""Phone books as six programs export them, and the fields that stand in each card.

The forms are those of the files in tests/inputs and of what the programs write; values are made up.
A field is a property and its value as text: escapes undone, parts of a value parted by `;` still.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Field = tuple[str, str]
Program = Callable[[int], tuple[str, list[Field]]]

_PICTURE = b64encode(bytes(range(240)) * 2).decode()


@dataclass(frozen=True, slots=True)
class Book:
    """A file, and the fields of each of its cards."""

    octets: bytes
    fields: list[list[Field]]


def phone_book(program: str, count: int) -> Book:
    """A book of `count` cards as `program` exports it."""
    encoding, write = PROGRAMS[program]
    cards = [write(number) for number in range(count)]
    text = "".join(card for card, _ in cards)
    return Book(text.encode(encoding), [fields for _, fields in cards])


def fields_of(export: str) -> list[set[Field]]:
    """The fields of each card of an export, read as RFC 6350 says and by no code of ours."""
    cards: list[set[Field]] = []
    for line in export.replace("\r\n ", "").split("\r\n"):
        head, _, value = _head_and_value(line)
        name = head.partition(";")[0].rpartition(".")[2].upper()
        if name == "BEGIN":
            cards.append(set())
        elif name:
            cards[-1].add((name, _plain(value)))
    return cards


def _head_and_value(line: str) -> tuple[str, str, str]:
    is_quoted = False
    for place, sign in enumerate(line):
        is_quoted ^= sign == '"'
        if sign == ":" and not is_quoted:
            return line[:place], ":", line[place + 1 :]
    return line, "", ""


def _plain(value: str) -> str:
    for written, meant in (("\\\\", "\0"), ("\\n", "\n"), ("\\,", ","), ("\\;", ";")):
        value = value.replace(written, meant)
    return value.replace("\0", "\\")


def _quoted(text: str) -> str:
    """Quoted-printable with soft line breaks, as phones write it."""
    octets = [f"={octet:02X}" for octet in text.encode()]
    lines = ["".join(octets[place : place + 20]) for place in range(0, len(octets), 20)]
    return "=\r\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")


def _folded(*lines: str) -> str:
    """Lines with CRLF, folded at 75 characters."""
    return "".join(
        "\r\n ".join([line[:75], *(line[at : at + 74] for at in range(75, len(line), 74))]) + "\r\n"
        for line in lines
    )


def _android(number: int) -> tuple[str, list[Field]]:
    """2.1, no UID, most without an address; groups of people as X-ANDROID-CUSTOM."""
    name, note = f"Žofie {number}", f"první řádek\ndruhá; {number}"
    qp = "CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE"
    custom = "vnd.android.cursor.item/nickname;=C5=BDof;1;;;;;;;;;;;;;"
    has_address = number % 3 == 0
    lines = [
        "BEGIN:VCARD",
        "VERSION:2.1",
        f"N;{qp}:{_quoted('Nováková')};{_quoted(name)};;;",
        f"FN;{qp}:{_quoted(name + ' Nováková')}",
        f"TEL;CELL:+420{number:09d}",
        f"TEL;WORK;FAX:+421{number:09d}",
        f"TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,{_quoted('letní chata')}):{number}#",
        *([f"EMAIL;HOME:zofie{number}@phone.test"] if has_address else []),
        f"ADR;HOME;{qp}:;;{_quoted('Dlouhá 5; dvůr')};Praha;;11000;",
        f"NOTE;{qp}:{_quoted(note)}",
        f"X-ANDROID-CUSTOM;{qp}:{custom}",
        "BDAY:1985-04-12",
        f"PHOTO;ENCODING=BASE64;JPEG:{_PICTURE[:60]}",
        *(f" {_PICTURE[at : at + 74]}" for at in range(60, len(_PICTURE), 74)),
        "",
        "END:VCARD",
    ]
    return "\r\n".join([*lines, ""]), [
        ("N", f"Nováková;{name};;;"),
        ("FN", f"{name} Nováková"),
        ("TEL", f"+420{number:09d}"),
        ("TEL", f"+421{number:09d}"),
        ("TEL", f"{number}#"),
        *([("EMAIL", f"zofie{number}@phone.test")] if has_address else []),
        ("ADR", ";;Dlouhá 5; dvůr;Praha;;11000;"),
        ("NOTE", note),
        ("X-ANDROID-CUSTOM", custom.replace("=C5=BD", "Ž")),
        ("BDAY", "19850412"),
        ("PHOTO", f"data:image/jpeg;base64,{_PICTURE}"),
    ]


def _outlook(number: int) -> tuple[str, list[Field]]:
    """2.1 in windows-1252, bare types, labels in quoted-printable."""
    lines = [
        "BEGIN:VCARD",
        "VERSION:2.1",
        f"N;LANGUAGE=de;CHARSET=Windows-1252:Größe;Jörg {number}",
        f"FN;CHARSET=Windows-1252:Jörg {number} Größe",
        "ORG;CHARSET=Windows-1252:Müller, Maier & Söhne;Einkauf",
        f"TITLE:Head of C:\\new {number}",
        f"TEL;WORK;VOICE:+49 (30) {number:06d}",
        f"TEL;HOME;VOICE:+49 (40) {number:06d}",
        "ADR;WORK;PREF;CHARSET=Windows-1252:;;Hauptstraße 1;Köln;;50667;Deutschland",
        "LABEL;WORK;PREF;ENCODING=QUOTED-PRINTABLE:Hauptstra=DFe 1=0D=0A=",
        "50667 K=F6ln",
        "X-MS-OL-DEFAULT-POSTAL-ADDRESS:2",
        "URL;WORK:http://www.example.test/a?b;c",
        "X-MS-IMADDRESS:joerg",
        f"EMAIL;PREF;INTERNET:joerg{number}@office.test",
        f"EMAIL;INTERNET:j{number}@home.test",
        "X-MS-ANNIVERSARY:20010228",
        "CATEGORIES:Rot,Kunde",
        "REV:20260101T000000Z",
        "END:VCARD",
    ]
    return "\r\n".join([*lines, ""]), [
        ("N", f"Größe;Jörg {number}"),
        ("FN", f"Jörg {number} Größe"),
        ("ORG", "Müller, Maier & Söhne;Einkauf"),
        ("TITLE", f"Head of C:\\new {number}"),
        ("TEL", f"+49 (30) {number:06d}"),
        ("TEL", f"+49 (40) {number:06d}"),
        ("ADR", ";;Hauptstraße 1;Köln;;50667;Deutschland"),
        ("LABEL", "Hauptstraße 1\n50667 Köln"),
        ("X-MS-OL-DEFAULT-POSTAL-ADDRESS", "2"),
        ("URL", "http://www.example.test/a?b;c"),
        ("X-MS-IMADDRESS", "joerg"),
        ("EMAIL", f"joerg{number}@office.test"),
        ("EMAIL", f"j{number}@home.test"),
        ("X-MS-ANNIVERSARY", "20010228"),
        ("CATEGORIES", "Rot,Kunde"),
    ]


def _apple(number: int) -> tuple[str, list[Field]]:
    """3.0 as iCloud writes it: groups with labels, days without a year, no UID."""
    note = f"Met at PyCon, {number}\nlikes\\tea"
    return _folded(
        "BEGIN:VCARD",
        "VERSION:3.0",
        "PRODID:-//Apple Inc.//iPhone OS 17.4//EN",
        f"N:Appleseed;Jane {number};Q.;Dr.;",
        f"FN:Dr. Jane {number} Q. Appleseed",
        "ORG:Orchard\\, Inc.;Cider;",
        f"item1.EMAIL;type=INTERNET;type=pref:jane{number}@orchard.test",
        "item1.X-ABLabel:_$!<School>!$_",
        f"TEL;type=CELL;type=VOICE;type=pref:+1{number:010d}",
        f"item2.TEL:+2{number:010d}",
        "item2.X-ABLabel:Cider press",
        "item3.ADR;type=HOME:;;1 Main St\\nRear;Cupertino;CA;95014;USA",
        "item3.X-ABADR:us",
        "item4.URL:https\\://orchard.test",
        "item4.X-ABLabel:_$!<HomePage>!$_",
        "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15",
        "item5.X-ABDATE;type=pref:2001-06-05",
        "item5.X-ABLabel:_$!<Anniversary>!$_",
        "item6.X-ABRELATEDNAMES:John",
        "item6.X-ABLabel:_$!<Brother>!$_",
        f"NOTE:{_escaped(note)}",
        f"PHOTO;ENCODING=b;TYPE=JPEG:{_PICTURE}",
        "X-SOCIALPROFILE;type=twitter:http://twitter.test/jane",
        "END:VCARD",
    ), [
        ("N", f"Appleseed;Jane {number};Q.;Dr.;"),
        ("FN", f"Dr. Jane {number} Q. Appleseed"),
        ("ORG", "Orchard, Inc.;Cider;"),
        ("EMAIL", f"jane{number}@orchard.test"),
        ("X-ABLABEL", "_$!<School>!$_"),
        ("TEL", f"+1{number:010d}"),
        ("TEL", f"+2{number:010d}"),
        ("X-ABLABEL", "Cider press"),
        ("ADR", ";;1 Main St\nRear;Cupertino;CA;95014;USA"),
        ("X-ABADR", "us"),
        ("URL", "https\\://orchard.test"),
        ("X-ABLABEL", "_$!<HomePage>!$_"),
        ("BDAY", "--0415"),
        ("X-ABDATE", "2001-06-05"),
        ("X-ABLABEL", "_$!<Anniversary>!$_"),
        ("X-ABRELATEDNAMES", "John"),
        ("X-ABLABEL", "_$!<Brother>!$_"),
        ("NOTE", note),
        ("PHOTO", f"data:image/jpeg;base64,{_PICTURE}"),
        ("X-SOCIALPROFILE", "http://twitter.test/jane"),
    ]


def _google(number: int) -> tuple[str, list[Field]]:
    """3.0 without a UID; a picture by its address; every fifth person has a name only."""
    name = f"Ravi {number} Kumar"
    fields = [("FN", name), ("N", f"Kumar;Ravi {number};;;")]
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"N:Kumar;Ravi {number};;;"]
    if number % 5:
        lines += [
            f"EMAIL;TYPE=INTERNET;TYPE=HOME:ravi{number}@web.test",
            f"item1.EMAIL;TYPE=INTERNET:r{number}@web.test",
            "item1.X-ABLabel:Alt;ernative",
            f"TEL;TYPE=CELL:+91 {number:010d}",
            "item2.ORG:Web\\, Ltd.",
            "item2.X-ABLabel:",
            "BDAY:19910203",
            "PHOTO:https://lh3.web.test/contacts/abc",
            "CATEGORIES:myContacts,starred",
            "URL;TYPE=PROFILE:https\\://web.test/ravi",
        ]
        fields += [
            ("EMAIL", f"ravi{number}@web.test"),
            ("EMAIL", f"r{number}@web.test"),
            ("X-ABLABEL", "Alt;ernative"),
            ("TEL", f"+91 {number:010d}"),
            ("ORG", "Web, Ltd."),
            ("BDAY", "19910203"),
            ("PHOTO", "https://lh3.web.test/contacts/abc"),
            ("CATEGORIES", "myContacts,starred"),
            ("URL", "https\\://web.test/ravi"),
        ]
    return _folded(*lines, "END:VCARD"), fields


def _nextcloud(number: int) -> tuple[str, list[Field]]:
    """3.0 with a UID, doubled VERSION and REV, a time in the birthday."""
    uid = f"1f6a-{number:06d}"
    return _folded(
        "BEGIN:VCARD",
        "VERSION:3.0",
        "PRODID:-//Sabre//Sabre VObject 4.5.4//EN",
        f"UID:{uid}",
        f"FN:Łukasz {number}",
        f"N:;Łukasz {number};;;",
        "ADR;TYPE=HOME:;;ul. Długa 1;Kraków;;30-001;Polska",
        f'EMAIL;TYPE="HOME,INTERNET":lukasz{number}@cloud.test',
        f"EMAIL;TYPE=WORK:lukasz{number}@cloud.test",
        f'TEL;TYPE="HOME,VOICE":+48 {number:09d}',
        f"TEL;TYPE=CELL:+48 {number:09d}",
        "BDAY;VALUE=DATE-AND-OR-TIME:19531015T231000Z",
        "TITLE:Kierownik",
        "IMPP;X-SERVICE-TYPE=XMPP:xmpp:lukasz@cloud.test",
        "CATEGORIES:Rodzina,Praca\\, biuro",
        "REV;VALUE=DATE-AND-OR-TIME:20260101T000000Z",
        "REV:20260102T000000Z",
        "VERSION:3.0",
        "END:VCARD",
    ), [
        ("UID", uid),
        ("FN", f"Łukasz {number}"),
        ("N", f";Łukasz {number};;;"),
        ("ADR", ";;ul. Długa 1;Kraków;;30-001;Polska"),
        ("EMAIL", f"lukasz{number}@cloud.test"),
        ("TEL", f"+48 {number:09d}"),
        ("BDAY", "19531015T231000Z"),
        ("TITLE", "Kierownik"),
        ("IMPP", "xmpp:lukasz@cloud.test"),
        ("CATEGORIES", "Rodzina,Praca, biuro"),
    ]


def _thunderbird(number: int) -> tuple[str, list[Field]]:
    """4.0: telephone URIs, lists of types in quotes, preferences."""
    uid = f"urn:uuid:4fbe8971-0bc3-424c-9c26-{number:012d}"
    return _folded(
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"UID:{uid}",
        f"FN;PREF=1:Mélanie {number}",
        f"FN:Mel {number}",
        f"N:;Mélanie {number};;;",
        f"EMAIL;PREF=1:melanie{number}@bird.test",
        f'TEL;VALUE=uri;TYPE="work,voice";PREF=1:tel:+33-{number:09d};ext=102',
        f"TEL;VALUE=TEXT;TYPE=cell:+34 {number:09d}",
        "BDAY;VALUE=DATE:--0415",
        "ANNIVERSARY:20010228",
        "ORG:Nid;Branche",
        "ORG:Arbre",
        "NICKNAME:Mel,Mimi",
        "GENDER:F",
        "LANG;PREF=1:fr",
        'ADR;LABEL="1, rue X\\nParis":;;1\\, rue X;Paris;;75001;France',
        "RELATED;TYPE=spouse;VALUE=text:Jean",
        "X-CUSTOM1:un\\, deux",
        "NOTE;LANGUAGE=fr:Bonjour\\nà toi",
        "END:VCARD",
    ), [
        ("UID", uid),
        ("FN", f"Mélanie {number}"),
        ("FN", f"Mel {number}"),
        ("N", f";Mélanie {number};;;"),
        ("EMAIL", f"melanie{number}@bird.test"),
        ("TEL", f"tel:+33-{number:09d};ext=102"),
        ("TEL", f"+34 {number:09d}"),
        ("BDAY", "--0415"),
        ("ANNIVERSARY", "20010228"),
        ("ORG", "Nid;Branche"),
        ("ORG", "Arbre"),
        ("NICKNAME", "Mel,Mimi"),
        ("GENDER", "F"),
        ("LANG", "fr"),
        ("ADR", ";;1, rue X;Paris;;75001;France"),
        ("RELATED", "Jean"),
        ("X-CUSTOM1", "un, deux"),
        ("NOTE", "Bonjour\nà toi"),
    ]


PROGRAMS: dict[str, tuple[str, Program]] = {
    "android": ("utf-8", _android),
    "outlook": ("cp1252", _outlook),
    "apple": ("utf-8", _apple),
    "google": ("utf-8", _google),
    "nextcloud": ("utf-8", _nextcloud),
    "thunderbird": ("utf-16", _thunderbird),
}


def without(fields: list[Field], found: set[Field]) -> Iterator[Field]:
    """Those fields that are not found."""
    return (one for one in fields if one not in found)
