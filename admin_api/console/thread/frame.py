"""HTML mail in a frame: a document of its own, with a policy of its own.

- Three locks keep scripts out, each by itself: the parser's sanitising, a sandbox that allows none,
  and a policy that loads nothing. With `allow-same-origin` the page may measure the frame, and the
  images of the message come with the cookie; nothing in it runs, so nothing can use that.
- `cid:` leads to the attachments of the message, for types of images only (RFC 2392). Another one,
  or one that was left out, is its alternative text.
- A link opens another tab, which learns nothing of this one.
- Mail keeps its colours: a white sheet, also on a dark page.
- What is refused is a sentence in the frame: a page of ours has scripts, which must not run there.
- The frame is as high as its mail. Lengths that are parts of the frame's own height are those of a
  window of 600 pixels instead: the frame would grow with what grows with the frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape, unescape
from typing import Any
from urllib.parse import unquote

from admin_api.console.words import plural
from admin_api.http.problems import Problem

SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"sandbox {SANDBOX}; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}
# No SVG: it may hold scripts.
IMAGES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))

_HEAD = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light">
<title>Message</title>
<style>
html {{ background: #fff; color: #1b1f24; font: 15px/1.5 system-ui, sans-serif; }}
body {{ margin: 12px; overflow-wrap: anywhere; }}
img, table {{ max-width: 100%; }}
img {{ height: auto; }}
pre {{ white-space: pre-wrap; }}
blockquote {{ margin: .5em 0; padding-inline-start: .8em; border-inline-start: 3px solid #d3d9e0; }}
</style>
</head>
<body>
"""
# Possessive: a crafted tag without an end must not be tried in every possible way.
_TAG = re.compile(r"""<(a|img)\b((?:[^>"']++|"[^"]*"|'[^']*')*+)>""")
_SOURCE = re.compile(r'\ssrc="cid:([^"]*)"', re.IGNORECASE)
_ALT = re.compile(r'\salt="([^"]*)"')
_TARGET = ' target="_blank"'
_ANY_TAG = re.compile(r"""<\w(?:[^<>"']++|"[^"]*"|'[^']*')*+>""")
_WIDTH = re.compile(r'\swidth="(\d{1,4})(%?)"')
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_OF_HEIGHT = re.compile(r"(?<!\d)(\d++(?:\.\d++)?+|\.\d++)[dls]?v(?:b|h|max)\b", re.IGNORECASE)
_PER_CENT = 6  # pixels
_LEAST_SEEN = 32  # a picture that is less wide is for counting readers, or a space


def document(html: str, *, images: Mapping[str, str]) -> str:
    """Return the document for sanitised HTML; `images` are the paths of the content ids."""

    def shown(tag: re.Match[str]) -> str:
        if tag[1] == "a":
            return f"<a{_TARGET}{tag[2]}>"
        return _image(tag, images)

    if _OF_HEIGHT.search(html):
        html = _ANY_TAG.sub(lambda tag: _STYLE.sub(_fixed, tag[0]), html)
    return f"{_HEAD.format(lang='und')}{_TAG.sub(shown, html)}\n</body>\n</html>\n"


def refusal(problem: Problem) -> str:
    """Return the document that says why a mail is not shown."""
    seconds = problem.headers.get("Retry-After")
    if problem.status == 401:
        said = "You are signed out. Sign in, and open the message again."
    elif problem.status == 404:
        said = "There is no such message, or it is not for you."
    else:
        said = problem.detail
        if seconds is not None:
            said += f" Open the message again in {plural(int(seconds), 'second')}."
    return f"{_HEAD.format(lang='en')}<p>{escape(said)}</p>\n</body>\n</html>\n"


def _fixed(style: re.Match[str]) -> str:
    return _OF_HEIGHT.sub(lambda length: f"{float(length[1]) * _PER_CENT:g}px", style[0])


def _image(tag: re.Match[str], images: Mapping[str, str]) -> str:
    source = _SOURCE.search(tag[2])
    if source is None and " src=" in tag[2]:
        return tag[0]
    name = unescape(source[1]) if source else ""
    path = images.get(name) or images.get(unquote(name))
    if source is None or path is None:
        return _left_out(tag[2])
    start, end = source.span()
    return f'<img{tag[2][:start]} src="{escape(path)}"{tag[2][end:]}>'


def _left_out(attributes: str) -> str:
    """The words of a picture, as wide as it was: what stands beside it keeps its place."""
    alt, width, style = (one.search(attributes) for one in (_ALT, _WIDTH, _STYLE))
    look = f"{style[1]};height:auto;" if style else ""
    # In a narrow window a cell shrinks to its words, as it would with a picture.
    look += f"width:min({width[1]}{width[2] or 'px'},100%)" if width else ""
    look = f' style="display:inline-block;max-width:100%;{look}"' if look else ""
    is_seen = width and int(width[1]) >= _LEAST_SEEN
    text = unescape(alt[1]) if alt else "[picture]" if is_seen else ""
    return f"<span{look}>{escape(text)}</span>"


def lacks_pictures(html: str) -> bool:
    """Whether pictures are left out: the parser keeps none that would be loaded from elsewhere."""
    return any(tag[1] == "img" and " src=" not in tag[2] for tag in _TAG.finditer(html))


def image_paths(attachments: Iterable[Mapping[str, Any]], *, at: str) -> dict[str, str]:
    """Return the paths of a message's images by content id; `at` is that of its attachments."""
    return {
        str(one["content_id"]).strip("<>"): f"{at}{one['attachment_id']}/"
        for one in attachments
        if one["content_id"] and str(one["content_type"]).lower() in IMAGES
    }
