"""Multiparts, types and files as mailers write them that keep no standard (kinds B, H and L)."""

from base64 import encodebytes, urlsafe_b64encode
from urllib.parse import unquote

from gateway.message.encoded_words import readable
from storage.message_format.transfer_encoding import decode, decoder
from tests.support.cases import cases
from tests.support.written import TEXT, H, multipart, page_of, read

PAGE = "Content-Type: text/html; charset=utf-8\n\n<p>The page</p>"
PDF = "Content-Type: application/pdf; name=a.pdf\n\nPDF"


def again(inner: str, *parts: str) -> str:
    """A part that is a multipart with the boundary of the one around it."""
    within = "".join(f"--BB\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{inner}; boundary=BB\n\n{within}"


def test_a_multipart_may_take_up_the_boundary_around_it() -> None:
    both = again("alternative", TEXT, PAGE)
    spoken = both.replace("\n\n", "\n\nIn MIME.\n", 1)
    between = "Content-Type: multipart/related; boundary=CC\n\n"
    deeper = f"{between}--CC\n{both}--BB--\n--CC\n{PDF}\n--CC--"
    wanted = {
        "one end": multipart("mixed", again("alternative", TEXT, PAGE, PDF)),
        "two ends": multipart("mixed", f"{both}--BB--", PDF),
        "text before": multipart("mixed", f"{spoken}--BB--", PDF),
        "another between": multipart("mixed", deeper),
        "no end": multipart("mixed", f"{both}--BB--", PDF).removesuffix("--BB--\n"),
    }
    with cases() as case:
        for name, written in wanted.items():
            with case(name):
                found, text = read(written)
                assert (text, page_of(found)) == ("The letter", "<p>The page</p>")
                assert [part.filename for part in found.attachments] == ["a.pdf"]


def test_enriched_text_is_shown_without_its_markup() -> None:
    enriched = """<bold>Now</bold> is the time
for <smaller>(<<all>)</smaller> <odd>men</odd>

to <color><param>red</param>come</color> & <param>help
now<nofill>
1

2</nofill>"""
    rich = "<italic>Now</italic> is<nl>the <lt>time>\n\nto<comment>\nnot\n</comment><np>come"
    wanted = {
        "enriched": (
            enriched,
            "Now is the time for (<all>) men\nto come & now\n1\n\n2",
            "<b>Now</b> is the time for <small>(&lt;all&gt;)</small> men<br>to come &amp;  now"
            "<br>1<br><br>2",
        ),
        "richtext": (
            rich,
            "Now is\nthe <time> to\ncome",
            "<i>Now</i> is<br>the &lt;time&gt; to<br>come",
        ),
    }
    with cases() as case:
        for kind, (body, text, page) in wanted.items():
            part = f"Content-Type: text/{kind}; charset=utf-8\n\n{body}"
            for written in (
                H + part,
                multipart("alternative", part),
                multipart("mixed", part, PDF),
            ):
                with case(written):
                    found, shown = read(written)
                    assert (shown, page_of(found)) == (text, page)
        with case("beside plain text"):
            part = f"Content-Type: text/enriched\n\n{enriched}"
            found, shown = read(multipart("alternative", TEXT, part))
            assert (shown, page_of(found), found.has_files) == ("The letter", "", False)


def test_base64_in_the_alphabet_for_addresses_is_read() -> None:
    octets = bytes(range(256)) * 9
    file = urlsafe_b64encode(octets)
    lines = b"\n".join(file[at : at + 76] for at in range(0, len(file), 76)).decode()
    letter = "Grüße ¿¿¿ÿÿÿ>>>???~~~ über alles"
    text = urlsafe_b64encode(letter.encode()).decode()
    base64 = "Content-Transfer-Encoding: base64\n\n"
    whole = f"Content-Type: text/plain; charset=utf-8\n{base64}{text}"
    assert "_" in text and "-" in lines
    with cases() as case:
        for body, size in ((lines, 2_304), (lines.rstrip("="), 2_304), (file.decode(), 2_304)):
            with case(body[:80]):
                part = f"Content-Type: a/b; name=a.b\n{base64}{body}"
                found, shown = read(multipart("mixed", whole, part))
                assert (shown, [one.size for one in found.attachments]) == (letter, [size])
        with case("named so"):
            named = whole.replace("base64", "base64url")
            assert read(H + named)[1] == letter
        with case("an encoded word"):
            assert readable(f"=?utf-8?B?{text}?=") == letter
        with case("in pieces"):
            one = decoder("base64url")
            pieces = [one.feed(file[at : at + 7]) for at in range(0, len(file), 7)]
            assert b"".join([*pieces, one.finish()]) == octets == decode(file, "base64url")
        with case("words with hyphens"):
            words = "Dear John-Paul,\nit is as you wrote."
            assert read(H + whole.replace(text, words))[1] == words
        with case("the usual alphabet behind a ruler"):
            usual = encodebytes(b"The letter.\n").decode()
            assert read(H + whole.replace(text, f"{'-' * 20}\n{usual}"))[1] == "The letter.\n"


def test_a_page_may_name_its_pictures_by_their_location() -> None:
    """As pages that were saved whole, and the programs of reports, write it (RFC 2557)."""
    png = "Content-Type: image/png\nContent-Location: {}\n\nPNG"
    wanted = {
        ("", 'src="image1"', "image1"): 'src="cid:image1"',
        ("", "SRC='http://x.test/a b.png?c=1&amp;d'", "http://x.test/a b.png?c=1&d"): (
            'src="cid:http://x.test/a%20b.png?c=1%26d"'
        ),
        ("", "src=http://x.test/a.png", "<http://x.test/a.png>"): 'src="cid:http://x.test/a.png"',
        ("file:///C:/x/y.htm", 'src="y_files/1.png"', "file:///C:/x/y_files/1.png"): (
            'src="cid:file:///C:/x/y_files/1.png"'
        ),
        ("http://[", 'src="y.png"', "other.png"): "",
        ("", 'src="http://x.test/b.png"', "http://x.test/a.png"): "",
        ("", 'src="cid:p@x"', "http://x.test/a.png\nContent-ID: <p@x>"): 'src="cid:p@x"',
        ("", 'src="a.png"', "a.png\nContent-ID: <p@x>"): 'src="cid:p@x"',
    }
    with cases() as case:
        for (base, source, location), shown in wanted.items():
            page = f"Content-Type: text/html\nContent-Location: {base}\n\n<p>x <img {source}></p>"
            with case(location):
                found, _ = read(multipart("related", page, png.format(location)))
                image = f"<img {shown}>" if shown else "<img>"
                assert page_of(found) == f"<p>x {image}</p>"
                if shown:
                    (part,) = found.attachments
                    assert f"cid:{part.content_id}" in unquote(shown)
                    assert (part.is_inline, found.has_files) == (True, False)


def test_an_attached_message_is_named_by_its_subject() -> None:
    wanted = {
        "Subject: =?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe_a/b?=": "Re: Grüße a_b.eml",
        f"Subject: {'a' * 200}": "a" * 100 + ".eml",
        "Subject:": None,
        "From: b@x.test": None,
    }
    with cases() as case:
        for header, name in wanted.items():
            for field in ("Content-Type: message/rfc822", "Content-Type: message/global"):
                with case(header):
                    found, _ = read(multipart("mixed", TEXT, f"{field}\n\n{header}\n\nx"))
                    assert [part.filename for part in found.attachments] == [name]
        with case("one with a name"):
            named = "Content-Type: message/rfc822; name=a.eml\n\nSubject: b\n\nx"
            found, _ = read(multipart("mixed", TEXT, named))
            assert found.attachments[0].filename == "a.eml"
        with case("its header is in base64"):
            octets = encodebytes(b"Subject: c\n\nx").decode()
            field = "Content-Transfer-Encoding: base64"
            found, _ = read(
                multipart("mixed", f"Content-Type: message/rfc822\n{field}\n\n{octets}")
            )
            assert found.attachments[0].filename == "c.eml"


def test_a_multipart_in_which_no_part_begins_is_text() -> None:
    head = f"{H}Content-Type: multipart/mixed; boundary=BB\n\n"
    inner = "Content-Type: multipart/alternative; boundary=CC\n\nThe letter\n--CC--\n"
    wanted = {
        "no boundary": f"{head}The letter",
        "the end alone": f"{head}The letter\n--BB--\nbehind",
        "the beginning behind words": f"{head}The letter --BB\n--BB--",
        "in another": multipart("mixed", inner, PDF),
    }
    with cases() as case:
        for name, written in wanted.items():
            with case(name):
                assert read(written)[1].removesuffix(" --BB") == "The letter"


def test_text_and_its_page_may_stand_in_multipart_related() -> None:
    picture = "Content-Type: image/png\nContent-ID: <p@x>\n\nPNG"
    found, text = read(multipart("related", TEXT, PAGE, picture))
    assert (text, page_of(found)) == ("The letter", "<p>The page</p>")
    assert [part.content_type for part in found.attachments] == ["image/png"]
    assert not found.has_files

    for field in ("Content-ID: <f@x>", "Content-Disposition: attachment"):
        found, text = read(multipart("related", TEXT, f"{field}\n{PAGE}"))
        assert (text, page_of(found)) == ("The letter", "")
        assert [part.content_type for part in found.attachments] == ["text/html"]


def test_xhtml_is_a_page() -> None:
    page = PAGE.replace("text/html", "application/xhtml+xml")
    assert page_of(read(f"{H}{page}")[0]) == "<p>The page</p>"
    found, text = read(multipart("alternative", TEXT, page))
    assert (text, page_of(found), found.attachments) == ("The letter", "<p>The page</p>", ())


def test_what_macintosh_programs_alone_can_read_is_no_reason_for_a_paper_clip() -> None:
    fork = "Content-Type: application/applefile; name=a.png\n\nAF"
    picture = "Content-Type: image/png; name=a.png\nContent-ID: <p@x>\n\nPNG"
    page = "Content-Type: text/html\n\n<img src='cid:p@x'>"
    double = (
        f"Content-Type: multipart/appledouble; boundary=CC\n\n--CC\n{fork}\n--CC\n{picture}\n--CC--"
    )
    assert not read(multipart("mixed", page, double))[0].has_files


def test_an_invitation_without_a_name_has_the_usual_one() -> None:
    invitation = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"
    (part,) = read(multipart("alternative", TEXT, invitation))[0].attachments
    assert part.filename == "invite.ics"


def test_files_in_files_are_counted_together() -> None:
    coded = "begin 644 hi.txt\n%:&5L;&\\ \n`\nend\n" * 100
    found, _ = read(multipart("mixed", *[f"Content-Type: text/plain\n\n{coded}"] * 11))
    assert (found.status, len(found.attachments)) == ("partial", 1_000)


def test_a_boundary_may_be_said_to_end_in_blanks() -> None:
    for blanks in ("", "  "):
        written = multipart("mixed", TEXT).replace("boundary=BB", 'boundary="BB  "')
        found, text = read(written.replace("--BB", f"--BB{blanks}") + "The epilogue\n")
        assert text == "The letter"
        assert found.status == "parsed"


def test_the_words_of_a_page_do_not_go_on_in_those_of_the_next() -> None:
    first, second = (f"Content-Type: text/html\n\n{words}" for words in ("The <b>one", "the other"))
    found, text = read(multipart("mixed", first, second, PAGE))
    assert text == "The one\nthe other\nThe page"
    assert page_of(found) == "The <b>one</b><div>the other</div><p>The page</p>"
