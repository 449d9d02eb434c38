"""HTML mail in its frame: policy, pictures by content id, links."""

from time import monotonic

import pytest

import gateway.parser.html as parser
from admin_api.console.thread.frame import HEADERS, SANDBOX, document, image_paths
from tests.support.cost import is_within, seconds_of

GONE = '<span style="display:inline-block;max-width:100%;'
PATH = "/console/a@b.test/messages/msg_1/attachments/att_1/"


def body(html: str, images: dict[str, str] | None = None) -> str:
    whole = document(html, images=images or {})
    return whole.partition("<body>\n")[2].partition("\n</body>")[0]


def test_three_locks_keep_scripts_out() -> None:
    policy = HEADERS["Content-Security-Policy"]

    assert policy.startswith(f"sandbox {SANDBOX}; default-src 'none'; img-src 'self' data:;")
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert HEADERS["X-Frame-Options"] == "SAMEORIGIN"
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_links_open_another_tab_that_learns_nothing() -> None:
    clean = parser.sanitised('<a href="https://x.test/?a=1&amp;b=2">x</a>')

    assert body(clean) == (
        '<a target="_blank" href="https://x.test/?a=1&amp;b=2" '
        'rel="noopener nofollow noreferrer">x</a>'
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('<img src="cid:a@b" alt="x">', f'<img src="{PATH}" alt="x">'),
        ('<img alt="a > b" src="cid:a@b">', f'<img alt="a > b" src="{PATH}">'),
        ('<img src="cid:a%40b">', f'<img src="{PATH}">'),
        ('<img src="cid:other" alt="A &amp; &lt;B&gt;">', "<span>A &amp; &lt;B&gt;</span>"),
        ('<img src="cid:other">', "<span></span>"),
        ('<img alt="Sale">', "<span>Sale</span>"),
        ('<img alt="" width="600" height="400">', f'{GONE}width:min(600px,100%)"></span>'),
        ('<img width="100%">', f'{GONE}width:min(100%,100%)">[picture]</span>'),
        ('<img width="1" height="1">', f'{GONE}width:min(1px,100%)"></span>'),
        (
            '<img width="9" style="display:block;color:red;height:300px" alt="&lt;b&gt;">',
            f'{GONE}display:block;color:red;height:300px;height:auto;width:min(9px,100%)">&lt;b&gt;</span>',
        ),
        ('<img src="data:image/gif;base64,R0">', '<img src="data:image/gif;base64,R0">'),
        ('<p title="&lt;img src=&quot;cid:a@b&quot;&gt;">src="cid:a@b"</p>', None),
    ],
)
def test_a_picture_of_the_message_is_shown_from_its_attachment(
    source: str, shown: str | None
) -> None:
    assert body(source, {"a@b": PATH}) == (shown or source)


def test_only_pictures_have_a_path() -> None:
    def file(content_type: str, content_id: str | None, number: int) -> dict[str, object]:
        name = f"att_{number}"
        return {"attachment_id": name, "content_type": content_type, "content_id": content_id}

    files = [
        file("image/PNG", "<a@b>", 1),
        file("image/svg+xml", "svg", 2),
        file("text/html", "html", 3),
        file("image/gif", None, 4),
    ]

    assert image_paths(files, at="/at/") == {"a@b": "/at/att_1/"}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('<p style="min-height:100vh">x</p>', '<p style="min-height:600px">x</p>'),
        (
            '<p title="50vh" style="margin:.5DVH 1px;height:calc(10.5vmax - 1px)">9vh</p>',
            '<p title="50vh" style="margin:3px 1px;height:calc(63px - 1px)">9vh</p>',
        ),
        ('<p style="width:50vw;font-family:a1vhs">style="height:9vh"</p>', None),
        ('<a href="https://x.test/9vh" title="&lt;p style=9vh">9vh</a>', None),
    ],
)
def test_no_length_is_a_part_of_the_frames_own_height(source: str, shown: str | None) -> None:
    assert body(source).replace(' target="_blank"', "") == (shown or source)


def test_a_tag_without_an_end_is_tried_once() -> None:
    begun = monotonic()

    for hostile in ("<p " + 'a="b" ' * 50_000 + "9vh", '<p style="9vh' * 20_000, "<p 9vh" * 50_000):
        document(hostile, images={})

    assert monotonic() - begun < 5


def test_a_long_number_is_gone_over_once() -> None:
    words, number, style = "x9 " * 17_000, "9" * 50_000, f'<p style="width:{"9" * 50_000}vh">'
    plain = seconds_of(lambda: document(words, images={}))
    assert is_within(30, lambda: document(number, images={}), plain)
    assert is_within(30, lambda: document(style, images={}), plain)
