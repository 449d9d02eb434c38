"""Messages as other mailers write them: charsets, structures, encodings (kinds A, B, G, H, N)."""

import base64
import zlib
from html import unescape

from gateway.message.encoded_words import readable
from gateway.parser.detection import likely_codec
from gateway.parser.message import parse
from storage.index.words import unpack
from storage.message_format.charset_labels import codec_of
from storage.message_format.charsets import decode_text
from tests.support.cases import cases
from tests.support.written import TEXT, H, multipart, page_of, read

LABELS = {
    "cp1252": "iso-8859-1 latin1 8859_1 x-ansi winlatin1 ISO-8859-1-Windows-3.1-Latin-1",
    "cp1250": "windows-1250 ansi-1250 ISO-8859-2-Windows-Latin-2",
    "iso-8859-2": "cp28592 windows-28592",
    "cp1251": "x-cp1251 win-1251 Amiga-1251",
    "koi8-r": "cp20866 koi8_r ECMA-Cyrillic",
    "mac_latin2": "x-mac-centraleurroman cp10029",
    "iso-8859-8": "ISO-8859-8-I cp38598",
    "cp874": "tis-620-2533 iso-8859-11",
    "cp949": "KS_X_1001:1992 x-cp20949 cp51949",
    "utf_7": "cp65000 unicode-2-0-utf-7",
    "iso-2022-jp": "x-windows-iso2022jp cp50222 junet",
    "gb18030": "GB2312_CHARSET gb2312 cp936 x-gbk CN-GB GB13000 x-mac-chinesesimp",
    "big5hkscs": "zh_TW-big5 BIG5-HKSCS:2004 hkscs-big5 big5 CN-Big5 bigfive x-x-big5",
    "cp932": "shift_jis x-sjis ms_kanji windows-31j x-mac-japanese macjapanese x-sjis-jdk1.1.7 pck",
    "euc_jp": "Extended_UNIX_Code_Packed_Format_for_Japanese cp20932 euc-jp x-euc-jp cp51932",
    "utf-8": "utf8 UTF-8N cesu-8 unicode-1-1-utf-8 utf-8-mac",
    "utf-16": "utf-16 UCS-2LE unicodelittle iso-10646-ucs-basic",
    "viscii": "VISCII csVISCII",
    "armscii-8": "ARMSCII-8",
    "koi8_t": "koi8-t",
}
# Texts of a few words, and charsets in which they came without a label.
UNDECLARED = (
    ("Привет", "cp1251 koi8-r iso8859-5 cp866"),
    ("Спасибо!", "cp1251 koi8-r"),
    ("Дякую за лист, їжак", "cp1251 koi8-u"),
    ("ｶﾀｶﾅのテスト", "cp932"),
    ("了解です", "euc_jp cp932"),
    ("你好世界", "gb18030"),
    ("感謝您", "big5"),
    ("안녕하세요", "cp949"),
    ("ευχαριστώ πολύ", "cp1253 iso8859-7"),
    ("שלום", "cp1255 iso8859-8"),
    ("السلام عليكم شكرا", "cp1256"),
    ("ขอบคุณ", "cp874"),
    ("Dziękujemy za wiadomość, było miło", "cp1250 iso8859-2"),
    ("Příliš žluťoučký kůň", "cp1250 iso8859-2"),
    ("Größe, naïve café", "cp1252"),
)
PAGE = "Content-Type: text/html; charset=utf-8\n\n<p>The <b>page</b>"
PNG = "Content-Type: image/png\nContent-ID: <p@x>\n\nPNG"
PDF = "Content-Type: application/pdf; name=a.pdf\nContent-ID: <f@x>\n\nPDF"


def inner_related(start: str) -> str:
    """A multipart/related whose first part is a picture, with two pages."""
    root = "Content-Type: text/html\nContent-ID: <r@x>\n\n<p>root</p>"
    parts = "".join(f"--RR\n{part}\n" for part in (PNG, PAGE, root))
    return f"Content-Type: multipart/related; boundary=RR{start}\n\n{parts}--RR--"


def test_labels_are_known_by_all_their_names() -> None:
    with cases() as case:
        for codec, labels in LABELS.items():
            for label in labels.split():
                with case(label):
                    assert codec_of(label) == codec


def test_a_few_words_tell_their_charset() -> None:
    with cases() as case:
        for text, charsets in UNDECLARED:
            for charset in charsets.split():
                for declared in (None, "ascii", "utf-8"):
                    with case(f"{text} in {charset}, declared {declared}"):
                        octets = text.encode(charset)
                        codec = likely_codec(octets, declared, is_page=False, whole=True)
                        assert decode_text(octets, codec) == text


def test_japanese_is_read_in_spite_of_its_label() -> None:
    with cases() as case:
        for declared in ("utf-8", "cp1252", "ascii", None):
            with case(f"escapes, declared {declared}"):
                octets = "テスト①".encode("iso2022_jp_ext", "ignore")
                codec = likely_codec(octets, declared, is_page=False, whole=True)
                assert decode_text(octets, codec) == "テスト"
        with case("UTF-8 declared as ISO-2022-JP"):
            octets = "テスト".encode()
            codec = likely_codec(octets, "iso-2022-jp", is_page=False, whole=True)
            assert decode_text(octets, codec) == "テスト"
        with case("NEC's row 13 in EUC-JP"):
            assert decode_text(b"\xad\xa1\xad\xea\x8e\xb6\x8f\xb0\xa1", "euc_jp") == "①㈱ｶ丂"


def test_which_part_is_the_letter() -> None:
    empty = "Content-Type: text/html\n\n<html><body>&nbsp;</body></html>"
    picture = 'Content-Type: text/html\n\n<img src="cid:p@x">'
    wanted = {
        "an empty page": (multipart("alternative", TEXT, empty), "The letter", None),
        "a page of a picture": (
            multipart("alternative", TEXT, picture),
            "The letter",
            '<img src="cid:p@x">',
        ),
        "a page of words in place of pictures": (
            f'{H}Content-Type: text/html\n\n<img alt="Spring sale"><img alt="">',
            "Spring sale",
            '<img alt="Spring sale"><img alt="">',
        ),
        "markdown alone": (f"{H}Content-Type: text/markdown\n\n# Title", "# Title", None),
        "a calendar alone": (f"{H}Content-Type: text/calendar\n\nBEGIN:VCALENDAR", "", None),
        "enriched text beside plain": (
            multipart("alternative", TEXT, "Content-Type: text/enriched\n\n<bold>x</bold>"),
            "The letter",
            None,
        ),
        "a picture before the page that shows it": (
            multipart("alternative", TEXT, inner_related("")),
            "The letter",
            "<p>The <b>page</b></p>",
        ),
        "a page that `start` names": (
            multipart("alternative", TEXT, inner_related('; start="<r@x>"')),
            "The letter",
            "<p>root</p>",
        ),
        "base64 that is none": (
            f"{H}Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nWords as they are.",
            "Words as they are.",
            None,
        ),
    }
    with cases() as case:
        for name, (written, text, page) in wanted.items():
            with case(name):
                found, shown = read(written)
                html = zlib.decompress(found.html).decode() if found.html else None
                assert (shown, html) == (text, page)


def test_text_that_is_called_base64_is_read_where_it_is_none() -> None:
    footers = (
        "_______________________________________________\nteam mailing list",
        "-- \nYou got this because you are subscribed.\nhttps://x.test/team",
        "To leave the list write to team-leave@x.test",
    )
    encoded = base64.encodebytes(b"The letter.\n" * 400).decode()
    plain = (
        "Hello,\n\nthis is the letter as it was typed.",
        "Dear John,\n\nplease see below the list.",
        "Words as they are.",
        "こんにちは、田中です。",
        "Здравствуйте",
    )
    head = f"{H}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    with cases() as case:
        for footer in footers:
            with case(footer):
                assert read(f"{head}{encoded}\n{footer}\n")[1] == "The letter.\n" * 400
                file = f"Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n{encoded}{footer}"
                (part,) = read(multipart("mixed", TEXT, file))[0].attachments
                assert part.size == 4_800
        for text in plain:
            with case(text):
                assert read(head + text)[1] == text
        with case("a page"):
            page = head.replace("plain", "html") + "<html>\n<p>Hello there</p>"
            assert read(page)[1] == "Hello there"


def test_all_words_that_are_shown_are_found() -> None:
    page = "Content-Type: text/html; charset=utf-8\n\n"
    picture = '<img src="https://x.test/a.png" alt="Order 4711">'
    wanted = {
        "soft hyphens": (f"{page}<p>Donau&shy;dampf&shy;schiff", "donaudampfschiff"),
        "zero-width blanks": (f"{page}Bestell&#8203;nummer&#8203;4711", "bestellnummer4711"),
        "marks of direction": (f"{page}\u200ekinka\u200fjou\u2060", "kinkajou"),
        "a Turkish capital": (f"{page}İstanbul", "istanbul"),
        "a variant of a letter": (f"{page}\u845b\U000e0100飾", "葛飾 飾"),
        "a picture between words": (f"{page}Berlin<a><img src=x></a>Paris", "berlin paris"),
        "blocks by their style": (
            f"{page}<span style='display: block'>A</span><a style='display:block'>B</a>",
            "a b",
        ),
        "words in place of pictures": (f"{page}<p>Hello</p>{picture}", "hello order 4711"),
        "a page with pictures beside text": (
            multipart("alternative", TEXT, f"{page}The letter{picture}"),
            "the letter order 4711",
        ),
    }
    with cases() as case:
        for name, (written, body) in wanted.items():
            with case(name):
                found, _ = read(written if written.startswith("From") else H + written)
                assert unpack(found.words)["body"] == body


def test_the_paper_clip_is_there_for_what_somebody_attached() -> None:
    signature = "Content-Type: application/octet-stream; name=smime.p7s\n\nX"
    status = "Content-Type: message/delivery-status\n\nAction: failed"
    background = (
        'Content-Type: text/html\n\n<table background="cid:p@x"><tr><td>words</td></tr></table>'
    )
    attached = PNG.replace("\n\n", "\nContent-Disposition: attachment\n\n")
    wanted = {
        "a picture beside the page": (multipart("related", PAGE, PNG), False),
        "a file beside the page": (multipart("related", PAGE, PDF), True),
        "a picture that the page names": (multipart("mixed", background, attached), False),
        "a signature without its type": (multipart("signed", TEXT, signature), False),
        "a report's status": (multipart("report", TEXT, status), False),
        "an attached picture": (multipart("mixed", TEXT, attached), True),
        "an id with an escape of HTML": (
            multipart(
                "mixed",
                'Content-Type: text/html\n\n<img src="cid:p&#64;x"> x',
                PNG,
            ),
            False,
        ),
        "an id in brackets": (
            multipart("mixed", 'Content-Type: text/html\n\n<img src="cid:&lt;p@x&gt;">', PNG),
            False,
        ),
        "headers of a report in UTF-8": (
            multipart("report", TEXT, status, "Content-Type: message/global-headers\n\nSubject: x"),
            False,
        ),
    }
    with cases() as case:
        for name, (written, has_files) in wanted.items():
            with case(name):
                found, _ = read(written)
                assert found.has_files is has_files
                assert found.attachments


def test_a_raw_reply_to_is_read_like_the_other_fields() -> None:
    head = b"Reply-To: " + "Иван".encode("koi8-r") + b" <i@x.test>\nContent-Type: text/plain"
    for body in (b"; charset=koi8-r\n\nx", b"\n\n<meta charset=koi8-r>x"):
        assert read(head + body)[0].reply_to == (("Иван", "i@x.test"),)


def test_a_charset_is_known_by_a_label_among_other_words() -> None:
    with cases() as case:
        for label in ("koi8 r", "Russian (KOI8-R)", "koi8-r, utf-8"):
            with case(label):
                head = f'Content-Type: text/plain; charset="{label}"\n\n'.encode()
                assert read(head + "Да".encode("koi8-r"))[1] == "Да"


def test_a_multipart_is_read_though_its_header_has_odd_lines() -> None:
    parts = "--B:B\nContent-Type: text/html\n\n<p>page</p>\n--B:B--\n"
    wanted = {
        "no empty line": f'Content-Type: multipart/mixed; boundary="B:B"\n{parts}',
        "a parameter without its blank": f'{H}Content-Type: multipart/mixed;\nboundary="B:B"\n\n'
        + parts,
        "a byte order mark": f'{H}\ufeffContent-Type: multipart/mixed; boundary="B:B"\n\n'
        + parts.replace("Content-Type", "\ufeffContent-Type"),
    }
    with cases() as case:
        for name, written in wanted.items():
            with case(name):
                found, text = read(written)
                assert (text, found.attachments) == ("page", ())


def test_a_label_that_is_in_no_table_is_no_charset() -> None:
    for label in ("aliases", "unicode_escape", "x-none-at-all", "raw-unicode-escape-1", "zlib", ""):
        assert codec_of(label) is None, label


def test_utf_32_without_a_mark_is_read_by_its_zeros() -> None:
    for codec in ("utf-32-be", "utf-32-le"):
        assert decode_text("Größe".encode(codec), codec_of("UTF-32") or "") == "Größe"


def test_charsets_that_python_has_not_are_decoded() -> None:
    octets = base64.b64decode("S+1uaCBn2mk=")  # "Kính gửi" in VISCII
    assert decode_text(octets, "viscii")[:4] == "Kính"
    assert decode_text(bytes(range(256)), "georgian-ps")[0xC0:0xC3] == "აბგ"
    assert len(decode_text(bytes(range(256)), "armscii-8")) == 256


def test_letters_that_the_named_charset_has_not_are_read_all_the_same() -> None:
    boxes = "║ Імя ║ ┌──┐ ╖".encode("koi8-r", "ignore")
    wanted = (
        ("Дякую, їжак і ґанок Є".encode("koi8-u"), "koi8-r", "Дякую, їжак і ґанок Є"),
        (boxes, "koi8-r", boxes.decode("koi8-r")),
        ("😀 ok".encode("utf-16", "surrogatepass").decode("utf-16").encode(), "cesu-8", "😀 ok"),
        (b"\xed\xa0\xbd\xed\xb8\x80 ok \xed\x95\x9c", "cesu-8", "😀 ok 한"),
        (b"\xed\xa0\xbd\xed\xb8\x80", "utf-8", "😀"),
        (b"\xed\xa0\xbd ok", "utf-8", "\ufffd\ufffd\ufffd ok"),
    )
    with cases() as case:
        for octets, label, text in wanted:
            with case(f"{octets!r} in {label}"):
                head = f"{H}Content-Type: text/plain; charset={label}\n\n".encode()
                assert read(head + octets)[1] == text
    word = base64.b64encode(wanted[3][0]).decode()
    assert readable(f"=?utf-8?B?{word}?=") == wanted[3][2]


def test_the_text_of_a_page_is_what_it_shows() -> None:
    pages = {
        "a<form action=x>b</form>c": "a b c",
        "<textarea>one\n  two</textarea>": "one\n  two",
        "<listing>a\n  b</listing>": "a\n  b",
        "<marquee>one</marquee><marquee>two</marquee>": "one\n\ntwo",
        "<menu><li>m</menu>n": "m\n\nn",
        "<p>a<br>\n b <br>c</p>\n<table><tr>\n<td>d</td>\n <td>e": "a\nb\nc\n\nd e",
        "<object data=x>fallback</object>": "fallback",
        "<DIV STYLE='WHITE-SPACE: PRE'>a\n  b</DIV>": "a\n  b",
        "<p>\ufeffx</p>\ufeff<p>y</p>": "x\n\ny",
        "<!--[if mso]>no<![endif]--><!--[if !mso]><!-->yes<!--<![endif]-->": "yes",
    }
    with cases() as case:
        for source, text in pages.items():
            with case(source):
                _, shown = read(f"{H}Content-Type: text/html; charset=utf-8\n\n{source}")
                assert shown == text
        with case("styles that Internet Explorer wrote"):
            found, _ = read(f"{H}Content-Type: text/html\n\n<p style='COLOR: red;Margin:1px'>a</p>")
            assert found.html is not None
            assert zlib.decompress(found.html) == b'<p style="color:red;margin:1px">a</p>'


def test_a_page_that_is_nested_deep_is_shown_all_the_same() -> None:
    """Answers upon answers: each lies in a block of the one before."""
    page = f"{H}Content-Type: text/html; charset=utf-8\n\n<p>first <b>bold</b></p>"
    inner = "<style>p {}</style><div>one</div><div class='x'>two</div><script>no()</script>"
    found, text = read(page + "<div>" * 400 + inner + "</div>" * 400 + "<p>last <i>word</i></p>")
    assert text == "first bold\n\none\ntwo\n\nlast word"
    html = zlib.decompress(found.html or b"").decode()
    assert (found.status, html.count("<div>")) == ("parsed", 300)
    assert html.startswith("<p>first <b>bold</b></p>")
    assert html.endswith("</div><p>last <i>word</i></p>")


def test_a_page_of_many_character_references_is_shown_as_it_is() -> None:
    """As programs write Russian that know no charset."""
    word = "&#1055;&#x440;&#1080;&lt;&hearts;&amp;"
    page = f"<p title='&quot;&#39;'>{word}<a href='https://x.test/?a=1&b=2&copy=3&amp;d'>{word}</a></p>"
    few = read(f"{H}Content-Type: text/html\n\n{page}")[0]
    found, text = read(f"{H}Content-Type: text/html\n\n{page * 2_000}")
    assert text.startswith("При<♥&При<♥&\n") and found.status == "parsed"
    assert page_of(found) == page_of(few) * 2_000
    for text in (word * 3_000, "\xa0" * 20_000, "&nbsp;&lt;" * 3_000, "x > y " * 3_000):
        found, _ = read(f"{H}Content-Type: text/html; charset=utf-8\n\n{text}")
        assert unescape(page_of(found)) == unescape(text)
    for start, end in (("<!--[if mso]>", "<![endif]-->"), ("<!-- a > b", "-->")):
        hidden = f"{start}{'hidden & away ' * 2_000}{end}<p>shown</p>"
        found, _ = read(f"{H}Content-Type: text/html; charset=utf-8\n\n{hidden}")
        assert page_of(found) == "<p>shown</p>"


def test_text_loses_no_blank_line_and_keeps_no_mark() -> None:
    flowed = f"{H}Content-Type: text/plain; format=flowed\n\n"
    with cases() as case:
        for written, text in (
            (f"{flowed}one \n\ntwo\n", "one \n\ntwo\n"),
            (f"{flowed}> one \n> \n> two\n", "> one \n> \n> two\n"),
            (f"{H}Content-Type: text/plain; charset=utf-8\n\n\ufeff\ufeffone", "one"),
        ):
            with case(written):
                assert read(written)[1] == text


def test_a_file_that_is_uuencoded_in_text_is_found() -> None:
    head = f"{H}Content-Type: text/plain; charset=iso-8859-1\n\n".encode()
    hello = b"%:&5L;&\\"
    with cases() as case:
        for written, name in (
            (b"begin 644 a.txt\n" + hello + b"\n`\nend\n", "a.txt"),
            (b"begin 644 a.txt\n" + hello + b"\n\nend\n", "a.txt"),
            (b"begin 644 Gr\xf6\xdfe.txt\n" + hello + b"\n`\nend\n", "Größe.txt"),
            (b"begin 644 =?utf-8?q?Gr=C3=BC.txt?=\n" + hello + b"\n`\nend\n", "Grü.txt"),
        ):
            with case(repr(written)):
                found, text = read(head + b"see\n" + written + b"bye")
                assert [(one.filename, one.size) for one in found.attachments] == [(name, 5)]
                assert text == "see\nbye"


def test_of_a_long_uuencoded_letter_the_beginning_is_read() -> None:
    line = b"%:&5L;&\\ \r\n"  # "hello"
    head = b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 letter.txt\r\n"
    for lines, status in ((20_000, "parsed"), (30_000, "partial")):
        found = parse(head + line * lines, lambda: True)
        assert (found.status, found.preview[:10]) == (status, "hellohello")
