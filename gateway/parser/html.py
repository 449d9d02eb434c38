"""HTML mail: sanitised for showing, and its text.

- Nothing in the result runs, asks for input or loads anything: no script, no form, no frame; an
  image is a part of the same message (`cid:`) or small data in place; styles are those of a short
  list and name no address.
- A picture may be named by the Content-Location of its part (RFC 2557).
- A link opens a web page, a message or a telephone; it tells the page nothing of where it was.
- The text is read from the sanitised HTML, which is well-formed: hidden text is left out. Where
  white space counts (`pre`) it stays. A page of pictures says what stands in their place.
- No script runs, so the content of `noscript` is the message's; so is what is typed into a form.
- Enriched text (RFC 1896) and the rich text before it (RFC 1341) are made HTML first.
- Of HTML that is nested too deep the tags of the deepest elements are left out, and their words are
  shown: sanitising takes time with the square of the depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape, unescape
from urllib.parse import quote, urljoin

import nh3

MAX_SOURCE = 1024 * 1024
MAX_RESULT = 2 * 1024 * 1024
MAX_DEPTH = 300
# No letter has as many: what goes on so is cut.
_MOST_TOO_DEEP = 20_000
_MAX_INLINE_IMAGE = 32 * 1024

_TAGS = (
    "a abbr acronym address article aside b bdi bdo big blockquote br button caption center"
    " cite code col colgroup dd del details dfn div dl dt em fieldset figcaption figure font"
    " footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label legend li main mark nav ol p pre q"
    " rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th"
    " thead time tr tt u ul var wbr"
)
_WITHOUT_CONTENT = "script style title template iframe svg math select"
_TABLE = {"align", "bgcolor", "border", "cellpadding", "cellspacing", "height", "valign", "width"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"align", "dir", "lang", "style", "title"},
    "a": {"href"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "del": {"datetime"},
    "font": {"color", "face", "size"},
    "img": {"alt", "height", "src", "width"},
    "ins": {"datetime"},
    "ol": {"start", "type"},
    "table": _TABLE,
    "td": _TABLE | {"colspan", "rowspan"},
    "th": _TABLE | {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "tr": _TABLE,
    "ul": {"type"},
}
_STYLES = {
    "background-color", "border", "border-bottom", "border-collapse", "border-color",
    "border-left", "border-radius", "border-right", "border-spacing", "border-style",
    "border-top", "border-width", "clear", "color", "direction", "display", "float",
    "font-family", "font-size", "font-style", "font-variant", "font-weight", "height",
    "letter-spacing", "line-height", "margin", "margin-bottom", "margin-left", "margin-right",
    "margin-top", "max-height", "max-width", "min-height", "min-width", "padding",
    "padding-bottom", "padding-left", "padding-right", "padding-top", "table-layout",
    "text-align", "text-decoration", "text-indent", "text-transform", "vertical-align",
    "white-space", "width", "word-break", "word-wrap",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}

_LINK = re.compile(r"\s*(?:https?|mailto|tel):", re.IGNORECASE)
_IMAGE = re.compile(r"cid:|data:image/(?:gif|jpeg|png|webp);base64,", re.IGNORECASE)
# A function or an escape in a value could name an address.
_SAFE_STYLE = re.compile(r"(?:\brgba?\([0-9.,%\s/]*\)|\bhsla?\([0-9.,%\s/a-z]*\)|[^()\\@])*+")
# Internet Explorer, and the Outlook of its days, wrote the names of properties in capitals.
_PROPERTY = re.compile(r"(?:\A|;)\s*[A-Za-z-]+\s*:")
# The colour of a shorthand: without it, white words would stand on white.
_BACKGROUND = re.compile(
    r"(\A|;)\s*background\s*:"
    r"(?:[^;#]*?(#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\([^)]*\))[^;]*|\s*([a-z]+)\s*(?=;|\Z))",
    re.IGNORECASE,
)

_NOSCRIPT = re.compile(
    r"</?noscript\b[^>]{0,200}>|(</?)(form|object|marquee|search|hgroup|menu|dir|textarea|listing)\b",
    re.IGNORECASE,
)
# Elements that are not shown as such, and those whose text is laid out in the same way.
_IN_PLACE_OF = {"menu": "ul", "dir": "ul", "textarea": "pre", "listing": "pre"}
_RAW_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_WHOLE_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:[^<>]{0,2000}+>)?")
_UNSAID = re.compile(
    r"<(script|style|title)\b.*?(?:</\1\s*+>?|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"<(/?)([a-z0-9]+)(?:[^>\"]++|\"[^\"]*\")*+>")
_KEEPS_SPACE = re.compile(
    r"""<pre\b|<[a-z0-9]+\b[^>]{0,2000}?\bwhite-space:\s*(?:pre|break)""", re.IGNORECASE
)
_APART = re.compile(r"display:\s*(?:block|flex|grid|list-item|table|inline-block)", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(
    r"(?<=\w)(?:</?(?:a|abbr|b|em|font|i|img|span|strong|u)\b[^<>]*>)+(?=\w)"
)
_ALT = re.compile(r'<img\b[^>]*? alt="([^"]*)"')
_EMPTY = frozenset(("br", "col", "hr", "img", "wbr"))
_SPACE = re.compile(r"[ \t\r\n\f]+")
# Possessive, and from the first blank of a run: a run of a million is gone over once.
_GAPS = re.compile(r"(?<! ) *+\n[ \n]*\n")
_BLANKS = re.compile(r" {2,}")
_LINE_EDGE = re.compile(r" ?\n ?")
# Elements that hold nothing, and those whose end tag people leave out.
_FLAT_NAMES = (
    "area base br col embed hr img input link meta wbr dd dt li option p tbody td tfoot th thead tr"
)
_FLAT = frozenset(_FLAT_NAMES.split())
_BLOCK_NAMES = (
    "address article aside blockquote br caption center dd details div dl dt fieldset figcaption"
    " figure footer h1 h2 h3 h4 h5 h6 header hr legend li main nav ol p pre section summary table"
    " tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())


_SOURCE = re.compile(
    r"""(\bsrc\s*+=\s*+)(?:"([^"]{1,2000})"|'([^']{1,2000})'|([^\s"'<>]{1,2000}))""", re.IGNORECASE
)
_MOST_SOURCES = 10_000
_SAFE_IN_ID = ":/@?=#+,;!$*~|"
_PLAIN_ADDRESS = re.compile(r"[\w.~:/?#@!$&'()*+,;=%-]++", re.ASCII)
_LONG_TEXT = re.compile(r"(?:(?<=>)|\A)[^<>]{8000,}+")
_PIECE = 4_000
# Not a comment, which would end one that it stands in.
_BREAK = "<x-p></x-p>"
_LONGEST_REFERENCE = 40
# Commands of enriched and rich text, and how HTML has them; those that are not here have no form.
_ENRICHED = re.compile(r"(<<)|<(/?)([A-Za-z0-9-]{1,60})>|(\n+)|<?[^<\n]+|<")
_COMMANDS = {
    command: tag
    for tag, commands in {
        "b": "bold",
        "i": "italic",
        "u": "underline",
        "code": "fixed",
        "small": "smaller",
        "big": "bigger",
        "sub": "subscript",
        "sup": "superscript",
        "center": "center",
        "blockquote": "excerpt paraindent indent",
        "p": "paragraph heading footing signature",
    }.items()
    for command in commands.split()
}
_UNSHOWN = frozenset(("param", "comment"))


def from_enriched(source: str, *, is_rich: bool) -> str:
    """Enriched text as HTML; rich text has other line ends and another sign for `<`."""
    done: list[str] = []
    hidden, unfilled = "", 0
    for found in _ENRICHED.finditer(source):
        literal, ends, name, lines = found.groups()
        name = (name or "").lower()
        if lines and hidden == "param":  # it was not ended
            hidden = ""
        if name in _UNSHOWN:
            hidden = "" if ends else name
        elif hidden:
            continue
        elif name == "nofill":
            unfilled = max(unfilled + (-1 if ends else 1), 0)
        elif name in _COMMANDS:
            done.append(f"<{ends}{_COMMANDS[name]}>")
        elif is_rich and name in {"nl", "np", "lt"}:
            done.append("&lt;" if name == "lt" else "<br>")
        elif literal:
            done.append("&lt;" * (1 + is_rich))
        elif lines:  # one alone only wraps the text
            done.append(" " if is_rich else "<br>" * (len(lines) - (not unfilled)) or " ")
        elif not name:
            done.append(escape(found[0], quote=False))
    return "".join(done)


def with_parts(source: str, parts: Mapping[str, str], base: str) -> str:
    """HTML that names the other parts of its message by their ids, not by their locations.

    `parts` are the ids by location, `base` is the location of the page (RFC 2557 5).
    """

    def named(attribute: re.Match[str]) -> str:
        address = unescape(attribute[2] or attribute[3] or attribute[4]).strip()
        name = parts.get(address) or parts.get(_resolved(base, address))
        return f'{attribute[1]}"cid:{quote(name, safe=_SAFE_IN_ID)}"' if name else attribute[0]

    return _SOURCE.sub(named, source, count=_MOST_SOURCES)


def _resolved(base: str, address: str) -> str:
    # Of other addresses `urljoin` raises for some.
    is_plain = _PLAIN_ADDRESS.fullmatch(base) and _PLAIN_ADDRESS.fullmatch(address)
    return urljoin(base, address) if is_plain else address


def is_deep(source: str) -> bool:
    """Whether more elements are open at once than in any letter that people send."""
    depth = 0
    for tag in _RAW_TAG.finditer(source, 0, MAX_SOURCE):
        if tag[2].lower() in _FLAT:
            continue
        depth = max(depth - 1, 0) if tag[1] else depth + 1
        if depth > MAX_DEPTH:
            return True
    return False


def flattened(source: str) -> tuple[str, bool]:
    """HTML without the tags of the elements that lie too deep; whether all of it was read.

    Their words stay, and of blocks the ends of their lines.
    """
    done: list[str] = []
    depth = position = 0
    source = _UNSAID.sub("", source[:MAX_SOURCE])
    for tag in _WHOLE_TAG.finditer(source):
        name = tag[2].lower()
        if name in _FLAT:
            continue
        depth = max(depth - 1, 0) if tag[1] else depth + 1
        if depth + bool(tag[1]) <= MAX_DEPTH:
            continue
        text = source[position : tag.start()]
        ends_line = name in _BLOCKS and text.strip() and not text.endswith(">")
        done += [text, "<br>" if ends_line else ""]
        position = tag.end()
        if len(done) > 2 * _MOST_TOO_DEEP:
            return "".join(done), False
    return "".join([*done, source[position:]]), True


def sanitised(source: str) -> str:
    """Return the safe part of `source`, as well-formed HTML, from its first mebibyte."""
    source = _NOSCRIPT.sub(_known, source[:MAX_SOURCE])
    return _cleaner().clean(_LONG_TEXT.sub(_in_pieces, source))[:MAX_RESULT]


def _in_pieces(text: re.Match[str]) -> str:
    """A long text with unknown elements in it, which the library leaves out again.

    It writes a text in time with its length times the signs to be escaped in it.
    """
    pieces: list[str] = []
    rest = text[0]
    while len(rest) > _PIECE:
        reference = rest.rfind("&", _PIECE - _LONGEST_REFERENCE, _PIECE)
        cut = reference if reference > 0 else _PIECE
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return _BREAK.join([*pieces, rest])


def _known(tag: re.Match[str]) -> str:
    """The tag by which an element is shown; a form goes, and only parts the words around it."""
    if not tag[1]:
        return ""
    name = tag[2].lower()
    if name == "form":
        behind_word = tag.start() and not tag.string[tag.start() - 1].isspace()
        return f" {tag[0]}" if behind_word and tag.string[tag.start() - 1] != ">" else tag[0]
    return tag[1] + _IN_PLACE_OF.get(name, "div")


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(_TAGS.split()),
        clean_content_tags=set(_WITHOUT_CONTENT.split()),
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed,
        strip_comments=True,
        link_rel="noopener nofollow noreferrer",
        url_schemes=_SCHEMES,
        filter_style_properties=_STYLES,
    )


def _allowed(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        # No relative links either: on our page they would lead to our own host.
        return value if _LINK.match(value) else None
    if name == "src":
        return value if _IMAGE.match(value) and len(value) <= _MAX_INLINE_IMAGE else None
    if name == "style":
        if not _SAFE_STYLE.fullmatch(value):
            return None
        if "background" in value.lower():
            value = _BACKGROUND.sub(_background_color, value)
        return _PROPERTY.sub(lambda one: one[0].lower(), value)
    return value


def _background_color(short: re.Match[str]) -> str:
    return f"{short[1]}background-color:{short[2] or short[3]}"


def said(clean: str) -> str:
    """The text of HTML that was sanitised, with a line for each block."""
    if "<img" in clean:
        clean = _BETWEEN_WORDS.sub(_with_blank, clean)
    if _KEEPS_SPACE.search(clean):
        lines = _with_kept_space(clean)
    else:
        lines = _TAG.sub(_line_end, _SPACE.sub(" ", clean))
        # Between blocks, and beside the end of a line, a page shows no blank.
        lines = _LINE_EDGE.sub("\n", _BLANKS.sub(" ", lines))
    text = _GAPS.sub("\n\n", unescape(lines).replace("\ufeff", "")).strip()
    return text or said_by_pictures(clean)


def _with_blank(tags: re.Match[str]) -> str:
    """Tags between two words, which a picture parts."""
    return f" {tags[0]}" if "<img" in tags[0] else tags[0]


def said_by_pictures(clean: str) -> str:
    """What is shown in place of the pictures of HTML that was sanitised."""
    return unescape(" ".join(filter(None, _ALT.findall(clean)))).strip()


def _with_kept_space(clean: str) -> str:
    done: list[str] = []
    open_tags: list[tuple[str, bool]] = []
    position = 0
    for tag in _TAG.finditer(clean):
        text = clean[position : tag.start()]
        kept = bool(open_tags) and open_tags[-1][1]
        done += [text if kept else _SPACE.sub(" ", text), _line_end(tag)]
        position = tag.end()
        name = tag[2]
        if name in _EMPTY:
            continue
        if not tag[1]:
            open_tags.append((name, kept or _KEEPS_SPACE.match(tag[0]) is not None))
        elif open_tags and open_tags[-1][0] == name:
            open_tags.pop()
    return "".join([*done, _SPACE.sub(" ", clean[position:])])


def _line_end(tag: re.Match[str]) -> str:
    if tag[2] in _BLOCKS:
        return "\n"
    if tag[2] in {"button", "label"}:
        return " "
    if tag[1]:
        return ""
    if tag[2] in {"td", "th"}:
        return " "
    return "\n" if "display:" in tag[0].lower() and _APART.search(tag[0]) else ""
