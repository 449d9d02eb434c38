"""What is right for each message in tests/inputs: what the RFC asks for, or what clients show."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent / "inputs"


@dataclass(frozen=True, slots=True)
class Right:
    """What a user sees of a message. None is not looked at.

    `text` is the whole of it; `found` are words that find it; `files` are names and octets.
    """

    text: str | None = None
    html: str | None = None
    preview: str | None = None
    subject: str | None = None
    sender: tuple[str, str] | None = None
    to: tuple[tuple[str, str], ...] | None = None
    files: tuple[tuple[str | None, bytes], ...] = ()
    has_attachments: bool | None = None
    found: tuple[str, ...] = ()
    acquainted: bool | None = None


def content(name: str) -> bytes:
    """The message as it stands in its file."""
    return (DIRECTORY / f"{name}.eml").read_bytes()


def _decoded_body(name: str) -> bytes:
    return b64decode(content(name).partition(b"\r\n\r\n")[2])


ADA = ("Ada Test", "ada@outside.test")
_PDF = (("a.pdf", b"X1"),)
_GNU = Right(text="Hallo Gnu", html="<p>Hallo <b>Gnu</b></p>")
_ORDER = "and should be with you very soon."
_BILBY = b"""From: bea@outside.test
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_vom_Bilby?=

Hello""".replace(b"\n", b"\r\n")
_NAME_300 = "n" * 251 + ".pdf"

MESSAGES = {
    "latin1-is-cp1252": Right(
        text="It’s “quoted” at €99… caracal\n", subject="Price is €7.20 – caracal"
    ),
    "hebrew-8859-8-i": Right(
        text="בוקר טוב", html="<p>בוקר טוב</p>", subject="שלום עולם", found=("שלום", "בוקר")
    ),
    "utf16-body": Right(text="Sechzehn Bit für Narwal\n", found=("narwal",)),
    "alias-cp936": Right(text="你好世界\n", found=("世界",)),
    "alias-x-sjis": Right(text="こんにちは世界\n"),
    "alias-iso8859-2": Right(text="Žluťoučký kůň\n", found=("žluťoučký",)),
    "alias-ibm850": Right(text="Müßig grüßen\n"),
    "charset-single-quotes": Right(text="Žluťoučký kůň\n"),
    "body-with-name": Right(
        text="named kudu", html="<p>named kudu</p>", files=(("a.pdf", b"X1"),), found=("kudu",)
    ),
    "list-footer-html": Right(
        html="<p>Please approve the <b>bandicoot</b> budget by Friday.</p>",
        preview="Please approve the bandicoot budget by Friday. ____",
        found=("bandicoot", '"desk mailing list"'),
    ),
    "empty-text-part": Right(
        text="Only the HTML has the caiman.", preview="Only the HTML", found=("caiman",)
    ),
    "two-text-alternatives": Right(text="Hello takin ü", html="", has_attachments=False),
    "from-bare-with-name": Right(sender=("John Doe", "john.doe@outside.test"), acquainted=True),
    "from-mailto-brackets": Right(sender=("John Doe", "jdoe@outside.test")),
    "from-unquoted-comma": Right(
        sender=("Doe, Jane PhD", "jane.doe@outside.test"), to=(("Team, The", "team@example.test"),)
    ),
    "from-unbalanced-quote": Right(sender=("Team Tapir", "tapir@outside.test")),
    "search-html-differs": Right(html=_ORDER, found=("kinkajou4711", '"was shipped"', "browser")),
    "space-before-colon": Right(
        subject="quarterly zebrafish", sender=ADA, text="The giraffe is in the body.\n"
    ),
    "line-without-colon": Right(subject="stray tapir line", sender=ADA, text="Tapir body\n"),
    "bom-first": Right(subject="bom wombat", sender=ADA, text="Wombat body\n"),
    "unindented-received": Right(subject="wrapped genet", sender=ADA, text="Genet body\n"),
    "raw-latin1-subject": Right(
        subject="Rohrqualität und Grüße",
        sender=("Jörg Müller", "joerg@outside.test"),
        text="Grüße\n",
        found=("rohrqualität", "jörg"),
    ),
    "raw-latin1-filename": Right(
        files=(("Präsentation.pdf", b"PDFDATA"),), found=("präsentation",)
    ),
    "jis-no-charset": Right(text="これはテストです。お問い合わせ\n", found=("テスト",)),
    "jis-nec-row13": Right(text="①②㈱ A ｶﾀｶﾅ B テスト end\n", subject="①② テスト"),
    "meta-charset": Right(text="Благодарим вас", found=("благодарим",)),
    "cte-uuencode": Right(files=(("hi.txt", b"hello"),)),
    "b64-inner-padding": Right(
        text="Body of badger.\n!Footer of weasel\n",
        files=(("a.zip", b"PART1PART2"),),
        found=("weasel",),
    ),
    "qp-space-after-eq": Right(text="The chinchilla and the rest\nend=\n", found=("chinchilla",)),
    "ct-missing-semicolon": _GNU,
    "ct-comment": _GNU,
    "ct-quoted": _GNU,
    "ct-bare": _GNU,
    "ct-mime-colon": _GNU,
    "cte-quoted": Right(files=_PDF),
    "cte-semicolon": Right(files=_PDF),
    "cte-comment": Right(files=_PDF),
    "cte-text": Right(text="Grüße Zobel tier\n"),
    "irt-no-brackets-1": Right(),
    "irt-no-brackets-2": Right(),
    "irt-encoded-1": Right(),
    "irt-encoded-2": Right(),
    "out-of-order-1": Right(),
    "out-of-order-2": Right(),
    "out-of-order-3": Right(),
    "refs-300-root-first-1": Right(),
    "refs-300-root-first-2": Right(),
    "name-2047-in-2231": Right(files=(("ZebraPlan.txt", b"X1"),)),
    "name-unquoted-spaces": Right(
        files=(("My Final Report.pdf", b"X1"),), found=('"final report"',)
    ),
    "name-rtl": Right(files=(("invoice_fdp.exe", b"X1"),)),
    "name-300": Right(files=((_NAME_300, b"X1"),)),
    "name-2231-from-1": Right(files=(("ab.txt", b"X1"),)),
    "cd-no-type": Right(files=(("foo.txt", b"X1"),)),
    "auto-precedence-auto_reply": Right(acquainted=False),
    "auto-dsn-nonnull": Right(acquainted=False),
    "auto-newsletter": Right(acquainted=False),
    "auto-x-autoreply": Right(acquainted=False),
    "auto-suppress-only": Right(acquainted=False),
    "inline-logo-only": Right(
        html='<img src="cid:logo@x">',
        files=((None, b"\x89PNG\r\n\x1a\n0123456789"),),
        has_attachments=False,
    ),
    "text-bom": Right(text="Lemming first\n", preview="Lemming first", found=("lemming",)),
    "html-pre": Right(text="line one\n  line two civet\nline three"),
    "flowed-delsp": Right(
        text="The unbroken word is hippopotamus here.Next.\n", found=("hippopotamus",)
    ),
    "utf8-is-latin1": Right(text="Größe Iltis\n", found=("größe",)),
    "uu-inline": Right(text="Please see below.\n\n", files=(("hi.txt", b"hello"),)),
    "html-noscript-select": Right(found=("noscript", "dhole", "legende", "etikett", "knopf")),
    "html-zwnj-preheader": Right(preview="Your invoice addax"),
    "boundary-again": Right(
        text="The ocelot signs on Monday.",
        html="<p>The <b>ocelot</b> signs on Monday.</p>",
        files=_PDF,
    ),
    "enriched-only": Right(
        text="The quokka is in the garden (<as always>).\nPlease feed it.",
        html="<b>The quokka</b> is <i>in the garden</i>",
        preview="The quokka is in the garden",
        found=("quokka",),
    ),
    "base64-of-urls": Right(
        text="Grüße vom Fossa: wie geht's? ¿Qué tal? ~~~>>>???\n",
        files=(("a.bin", bytes(range(250, 256)) * 4),),
        found=("fossa",),
    ),
    "html-deep": Right(
        text="The newest answer is by the serval.\n\nThe oldest letter\nasked for a margay.",
        html="<p>The newest answer is by the <b>serval</b>.</p>",
        found=("serval", "margay"),
    ),
    "related-by-location": Right(
        html='<img src="cid:http://outside.test/report/chart1.png">',
        files=(("chart1.png", b"\x89PNG\r\n\x1a\n"),),
        has_attachments=False,
    ),
    "attached-without-name": Right(
        files=(("Grüße vom Bilby.eml", _BILBY),), found=("grüße bilby",)
    ),
    "from-unseen-signs": Right(sender=ADA),
    "type-by-name": Right(text="The dunnart's offer is attached.", files=(("offer.pdf", b"X1"),)),
    "signed-as-a-whole": Right(
        text="Grüße vom Wombat, signed as a whole.",
        files=(("a.pdf", b"X1"), ("smime.p7m", _decoded_body("signed-as-a-whole"))),
        found=("wombat", "a.pdf"),
    ),
    "refs-twice-1": Right(),
    "refs-twice-2": Right(),
}
THREADS = {
    "irt-no-brackets": 2,
    "irt-encoded": 2,
    "out-of-order": 3,
    "refs-300-root-first": 2,
    "refs-twice": 2,
}
