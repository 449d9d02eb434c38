"""Lines of vCard 2.1 and 3.0 in the form of 4.0, and back in that of 3.0.

Cards keep lines in the form of 4.0: no quoted-printable, no charset, no text in base 64, types by
their name, pictures as `data:` URIs, the escapes of text. Only what has that form already stays as
it came.

vCard 2.1 section 2; RFC 2426; RFC 6350 appendix A.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import replace

from storage.vcard.content_lines import Line
from storage.vcard.vcard_values import (
    decoded,
    escaped,
    quoted_printable,
    split,
    unescaped_as_2_1,
)

_TEXTS = frozenset({"FN", "NOTE", "TITLE", "ROLE", "LABEL", "TEL", "EMAIL", "SORT-STRING", "AGENT"})
_PARTED = frozenset({"N", "ADR", "ORG"})
_MEDIA = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}
# Types of a picture that say nothing of its format.
_NO_FORMATS = frozenset({"pref", "home", "work"})
_NO_TYPE = "application/octet-stream"
_DATA_URI = re.compile(r"data:((?:\w+/)?([\w.+-]+));base64,(.*)", re.DOTALL)


def modern(line: Line, version: str) -> Line:
    """The line in the form of 4.0."""
    encodings = {value.upper() for value in line.values("ENCODING")}
    if encodings & {"B", "BASE64"} and line.name in _MEDIA:
        return _as_data_uri(line)
    charset = next(iter(line.values("CHARSET")), "")
    if encodings & {"B", "BASE64"} and line.name in _TEXTS | _PARTED:
        line = _as_plain_text(line, charset)
    value = line.value
    if version == "2.1":
        value = _as_text_of_2_1(line, charset, is_quoted="QUOTED-PRINTABLE" in encodings)
    elif "QUOTED-PRINTABLE" in encodings:
        value = quoted_printable(value, charset)
    value = _on_one_line(value)
    told = [("ENCODING", word) for word in ("QUOTED-PRINTABLE", "8BIT", "7BIT")]
    parameters = tuple(
        (name, _on_one_line(one))
        for name, one in line.parameters
        if name != "CHARSET" and (name, one.upper()) not in told
    )
    if (value, parameters) == (line.value, line.parameters):
        return line
    return replace(line, value=value, parameters=parameters).rebuilt()


def _on_one_line(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", r"\\n", text)


def _as_plain_text(line: Line, charset: str) -> Line:
    """The line without its base 64, as some telephones write texts; one that is none stays."""
    try:
        octets = binascii.a2b_base64("".join(line.value.split()), strict_mode=True)
    except (binascii.Error, UnicodeError):
        return line
    parameters = tuple(one for one in line.parameters if one[0] != "ENCODING")
    text = decoded(octets, charset).replace("\r\n", "\n")
    value = text if line.name in _PARTED else text.replace("\\", "\\\\")
    return replace(line, parameters=parameters, value=value).rebuilt()


def _as_text_of_2_1(line: Line, charset: str, *, is_quoted: bool) -> str:
    """The value with the escapes of 4.0: separators in it are those that stood there in the raw."""

    def text(part: str) -> str:
        return quoted_printable(part, charset) if is_quoted else part

    if line.name in _TEXTS:
        return escaped(unescaped_as_2_1(text(line.value)))
    if line.name in _PARTED:
        parts = split(line.value, ";")
        return ";".join(escaped(unescaped_as_2_1(text(part))) for part in parts)
    if is_quoted:
        parts = split(line.value, ";")
        return ";".join(text(part).replace("\\", "\\\\").replace(";", "\\;") for part in parts)
    return line.value


def _as_data_uri(line: Line) -> Line:
    kinds = [*line.values("TYPE"), *line.values("MEDIATYPE")]
    formats = [one for one in kinds if one.lower() not in _NO_FORMATS]
    kind = formats[-1].lower() if formats else ""
    of_all = f"{_MEDIA[line.name]}/{kind}" if kind else _NO_TYPE
    media_type = kind if "/" in kind else of_all
    made_anew = ("ENCODING", "TYPE", "VALUE", "MEDIATYPE")
    parameters = [one for one in line.parameters if one[0] not in made_anew]
    others = tuple(("TYPE", one) for one in kinds if one not in formats[-1:])
    content = "".join(line.value.split())
    value = f"data:{media_type};base64,{content}"
    return replace(line, parameters=(*parameters, *others), value=value).rebuilt()


def ancient(line: Line) -> Line:
    """A line of 4.0 as 3.0 has it, where that says the same when it is read again."""
    found = _DATA_URI.fullmatch(line.value)
    if found is None or line.name not in _MEDIA:
        return line
    of_type = () if found[1] == _NO_TYPE else (("TYPE", found[2].upper()),)
    parameters = (*line.parameters, ("ENCODING", "b"), *of_type)
    made = replace(line, parameters=parameters, value=found[3]).rebuilt()
    return made if _as_data_uri(made).raw == line.raw else line
