"""S/MIME: a letter that is signed as a whole is shown; one that cannot be opened is a file."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from gateway.parser.ipc import HEADER, lengths, read_result, result_frame
from gateway.parser.message import parse
from storage.message_format.cms import SignedContent
from storage.message_format.mime_parts import Parsed
from tests.gateway.parser.test_tnef import file, octets_of, winmail
from tests.gateway.parser.test_tnef import message as with_winmail
from tests.support.cases import cases
from tests.support.signed_letters import (
    DIGESTED_DATA,
    ENVELOPED_DATA,
    SHA_256,
    in_ber,
    in_der,
    message,
    open_element,
)
from tests.support.written import TEXT, multipart, page_of
from tests.support.written import read as read_written

LETTER = "Grüße vom Wombat"
PDF = bytes(range(9))
ENTITY = b"""Content-Type: multipart/mixed; boundary=BB

--BB
Content-Type: multipart/alternative; boundary=CC

--CC
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe vom Wombat
--CC
Content-Type: text/html

<p>Gr&uuml;&szlig;e <b>vom</b> Wombat</p>
--CC--
--BB
Content-Type: application/pdf; name=a.pdf
Content-Transfer-Encoding: base64

AAECAwQF
BgcI
--BB--
""".replace(b"\n", b"\r\n")
PLAIN = b"Content-Type: text/plain\r\n\r\nThe letter"


def pieces(octets: bytes) -> list[bytes]:
    return [octets[place : place + 7] for place in range(0, len(octets), 7)]


def by_a_library(entity: bytes) -> bytes:
    """What `cryptography` signs, with a key that is made for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ada")])
    day = datetime(2026, 11, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    made = made.public_key(key.public_key()).not_valid_before(day)
    certificate = made.not_valid_after(day + timedelta(days=9)).sign(key, hashes.SHA256())
    builder = pkcs7.PKCS7SignatureBuilder().set_data(entity)
    builder = builder.add_signer(certificate, key, hashes.SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def read(data: bytes) -> tuple[Parsed, str]:
    found = parse(data, lambda: True)
    return found, zlib.decompress(found.text).decode() if found.text else ""


def names(found: Parsed) -> list[str | None]:
    return [part.filename for part in found.attachments]


def test_the_letter_and_its_files_are_shown_beside_the_signature() -> None:
    forms = {
        "DER": in_der(ENTITY),
        "BER in one piece": in_ber([ENTITY]),
        "BER in pieces": in_ber(pieces(ENTITY)),
        "BER, even the algorithms": in_ber(pieces(ENTITY), open_element(0x31, SHA_256[2:])),
        "by a library": by_a_library(ENTITY),
    }
    with cases() as case:
        for name, cms in forms.items():
            with case(name):
                data = message(cms)
                found, text = read(data)
                assert (found.status, text) == ("parsed", LETTER)
                assert page_of(found) == "<p>Grüße <b>vom</b> Wombat</p>"
                pdf, signature = found.attachments
                assert (pdf.filename, pdf.content_type, pdf.size) == ("a.pdf", "application/pdf", 9)
                assert (signature.filename, signature.size) == ("smime.p7m", len(cms))
                for step in (1, 77, 100_000):
                    assert octets_of(data, pdf, step=step) == PDF
                assert octets_of(data, signature) == cms
                assert found.has_files
                frame = result_frame(found)
                json, _ = lengths(frame[:HEADER])
                head, octets = frame[HEADER : HEADER + json], frame[HEADER + json :]
                assert read_result(head, octets, len(data)) == found


def test_the_signature_is_no_reason_for_a_paper_clip() -> None:
    for content_type in (
        "application/pkcs7-mime; smime-type=signed-data",
        "application/x-pkcs7-mime; name=smime.p7m",
        "application/pkcs7-mime; smime-type=enveloped-data; name=letter.p7m",
        "application/octet-stream; name=smime.p7m",
    ):
        found, text = read(message(in_der(PLAIN), content_type))
        assert (text, found.has_files) == ("The letter", False)
        assert len(found.attachments) == 1
        assert found.attachments[0].filename in {"smime.p7m", "letter.p7m"}


def test_what_cannot_be_opened_is_a_file() -> None:
    wanted = {
        "encrypted": in_der(PLAIN, kind=ENVELOPED_DATA),
        "certificates alone": by_a_library(b"")[:20],
        "a digest": in_der(PLAIN, kind=DIGESTED_DATA),
        "no CMS": b"-----BEGIN PKCS7-----\n",
        "nothing": b"",
        "a document": in_der(b'<?xml version="1.0"?>\n<invoice/>'),
        "too many pieces": in_ber([b""] * 100_001),
        "endless nesting": in_ber([])[:56] + b"\x24\x80" * 100_000,
    }
    with cases() as case:
        for name, cms in wanted.items():
            with case(name):
                data = message(cms, "application/pkcs7-mime")
                found, text = read(data)
                assert (found.status, text, names(found)) == ("parsed", "", ["smime.p7m"])
                assert found.has_files
                assert octets_of(data, found.attachments[0]) == cms


def test_a_letter_that_was_signed_without_a_header_is_shown() -> None:
    for entity in (b"The letter", b"\r\nThe letter"):
        assert read(message(in_der(entity)))[1] == "The letter"


def test_signatures_and_encrypted_letters_have_the_names_of_their_kind() -> None:
    pgp = "Content-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----"
    smime = "Content-Type: application/x-pkcs7-signature\nContent-Transfer-Encoding: base64\n\nMAA="
    for signature, name in ((pgp, "signature.asc"), (smime, "smime.p7s")):
        found, text = read_written(multipart("signed", TEXT, signature))
        assert (text, names(found), found.has_files) == ("The letter", [name], False)

    control = "Content-Type: application/pgp-encrypted\n\nVersion: 1"
    sealed = "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----"
    found, text = read_written(multipart("encrypted", control, sealed))
    assert (text, names(found), found.has_files) == ("", [None, "encrypted.asc"], True)


def part(kind: str, name: str, cms: bytes) -> bytes:
    whole = message(cms, f"{kind}; name={name}").partition(b"\r\n")[2]
    return b"--OUT\r\n" + whole


def test_a_list_may_have_put_a_footer_under_the_letter() -> None:
    head = b"Content-Type: multipart/mixed; boundary=OUT\r\n\r\n"
    footer = b"--OUT\r\n\r\nThe list's footer\r\n--OUT--\r\n"
    signed = part("application/pkcs7-mime", "smime.p7m", in_der(PLAIN))
    found, text = read(head + signed + footer)
    assert (text, names(found)) == ("The letter\nThe list's footer", ["smime.p7m"])

    document = part("application/pkcs7-mime", "offer.eml.p7m", in_der(PLAIN))
    found = parse(head + document + footer, lambda: True)
    assert found.text is None
    assert (names(found), found.has_files) == (["offer.eml.p7m"], True)


def test_letters_in_letters_are_opened_up_to_a_bound() -> None:
    data = message(in_der(ENTITY))
    for _ in range(2):
        data = message(in_ber(pieces(data)))
    found, text = read(data)
    assert (text, names(found)) == (LETTER, ["a.pdf", *["smime.p7m"] * 3])
    assert octets_of(data, found.attachments[0], step=50) == PDF

    for _ in range(9):
        data = message(in_der(data))
    found, text = read(data)
    assert (found.status, text, names(found)) == ("parsed", "", ["smime.p7m"] * 5)


def test_files_of_every_kind_lie_within() -> None:
    packed = with_winmail(winmail(file(b"a.txt", b"hello"), file(b"b.txt", b"you")))
    coded = (
        b"Content-Type: text/plain\r\n\r\nSee:\r\nbegin 644 hi.txt\r\n%:&5L;&\\ \r\n`\r\nend\r\n"
    )
    data = message(in_ber(pieces(packed)))
    first, second, _ = read(data)[0].attachments
    assert (octets_of(data, first), octets_of(data, second, step=9)) == (b"hello", b"you")
    data = message(in_ber(pieces(coded)))
    inner = next(one for one in read(data)[0].attachments if one.filename == "hi.txt")
    assert octets_of(data, inner, step=9) == b"hello"


WHOLE = in_ber(pieces(ENTITY))


@given(st.integers(0, len(WHOLE)), st.binary(max_size=8), st.booleans())
def test_what_is_broken_never_fails_and_is_addressed_as_it_is_shown(
    place: int, octets: bytes, ends: bool
) -> None:
    cms = WHOLE[:place] + octets + (b"" if ends else WHOLE[place + len(octets) :])
    data = message(cms)
    found = parse(data, lambda: True)
    assert found.attachments[-1].size == len(cms)
    for one in found.attachments:
        assert len(octets_of(data, one, step=50)) == one.size


@given(st.lists(st.binary(max_size=20), max_size=20), st.integers(1, 50))
def test_the_content_is_that_of_its_pieces_however_it_comes(parts: list[bytes], step: int) -> None:
    cms = in_ber(parts)
    reading = SignedContent()
    found = b"".join(reading.feed(cms[n : n + step]) for n in range(0, len(cms), step))
    assert found + reading.finish() == b"".join(parts)
    assert reading.has_begun


def test_a_letter_is_not_opened_without_time_for_it() -> None:
    found = parse(message(in_der(ENTITY)), lambda: False)
    assert found.status == "partial"
    assert found.text is None
