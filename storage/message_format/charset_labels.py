"""Charsets by the names that mail gives them.

- A label is looked up in the table of the WHATWG Encoding Standard, as all mail programs do:
  iso-8859-1 is windows-1252, iso-8859-9 windows-1254, gb2312 gb18030. Then among IANA's names,
  those of Python and the numbers of Windows, without regard to punctuation, `x-` or `cs`; then by
  the words in it (`GB2312_CHARSET`, `zh_TW-big5`). A label that is in no table is no charset:
  looking a codec up by the name a stranger gives would import a module of that name.

WHATWG Encoding 4.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache

from webencodings.labels import LABELS

ISO_2022_JP = "iso-2022-jp"
EUC_JP = "euc_jp"
UTF_16 = "utf-16"

# Python's name of what the WHATWG table calls an encoding, where that is another name. Of the
# encodings that browsers replace for their own safety, mail needs those that it really uses.
_WHATWG = {
    "big5": "big5hkscs",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "ibm866": "cp866",
    "iso-2022-jp": ISO_2022_JP,
    "iso-8859-8-i": "iso-8859-8",
    "macintosh": "mac_roman",
    "shift_jis": "cp932",
    "utf-16le": UTF_16,
    "utf-16be": "utf-16-be",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    **{f"windows-125{page}": f"cp125{page}" for page in range(9)},
}
_NOT_HERE = {"replacement", "x-user-defined"}
# Python's codecs that give no text: `decode` would refuse them for each part that names one.
_NO_CHARSETS = {
    *("base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13"),
    *("uu_codec", "zlib_codec"),
}
# Where mail means more than Python does by the name.
_WIDER = {
    "cp950": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso2022_jp": ISO_2022_JP,
    "iso2022_jp_1": ISO_2022_JP,
    "iso2022_jp_2": ISO_2022_JP,
    "iso2022_jp_3": "iso2022_jp_2004",
    "iso2022_jp_ext": ISO_2022_JP,
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "latin_1": "cp1252",
    "shift_jis": "cp932",
    "tis_620": "cp874",
    "utf_16": UTF_16,
    "utf_16_le": UTF_16,
    "utf_16_be": "utf-16-be",
    "utf_32": "utf-32",
    "utf_8": "utf-8",
}
_SOME_UTF_16 = (
    "iso10646 iso10646j1 iso10646ucsbasic iso10646unicodelatin1"
    " ucs2le unicode unicode11 unicodelittle utf16bom utf16lebom"
)
# IANA's names, and what senders invented, that neither table has.
_OTHERS = {
    **{f"windows{page}": f"cp{page}" for page in (874, 932, 949, *range(1250, 1259))},
    **{f"ibm{page}": f"cp{page}" for page in (720, 737, 856, 874, 1006)},
    **{f"cp{page}": f"cp{page}" for page in (720, 737, 856, 874, 875, 1006)},
    **{f"ccsid0{page}": f"cp{page}" for page in ("0858", "1140")},
    **{f"8859{part}": f"iso-8859-{part}" for part in (*range(2, 9), 10, 13, 14, 15)},
    "88591": "cp1252",
    "88599": "cp1254",
    "amiga1251": "cp1251",
    "ansi": "cp1252",
    **{f"ansi{page}": f"cp{page}" for page in range(1250, 1259)},
    "armscii8": "armscii-8",
    "arabic7": "cp1256",
    "big5eten": "big5hkscs",
    "bigfive": "big5hkscs",
    "cesu8": "utf-8",
    "cnbig5": "big5hkscs",
    "cngb": "gb18030",
    "big5hkscs": "big5hkscs",
    "ccsid00858": "cp858",
    "ccsid01140": "cp1140",
    "cp00858": "cp858",
    "cp01140": "cp1140",
    "baltic": "cp1257",
    "dec": "cp1252",
    "decmcs": "cp1252",
    "eten": "big5hkscs",
    "cp850multilingual": "cp850",
    "cp943": "cp932",
    "cyrillicasian": "ptcp154",
    "ebcdiccpus": "cp037",
    "eucjpms": "euc_jp",
    "eucjpwin": "euc_jp",
    "extendedunixcodepackedformatforjapanese": "euc_jp",
    "eucpkdfmtjapanese": "euc_jp",
    "gb13000": "gb18030",
    "gbk2312": "gb18030",
    "georgianacademy": "georgian-academy",
    "georgianps": "georgian-ps",
    "geostd8": "georgian-ps",
    "hongkongscs": "big5hkscs",
    "hz": "hz",
    "hzgb2312": "hz",
    "ibm00858": "cp858",
    "ibm01140": "cp1140",
    "ibm943": "cp932",
    "iso10646ucs2": "utf-16-be",
    "iso10646ucs4": "utf-32",
    **dict.fromkeys(_SOME_UTF_16.split(), UTF_16),
    "iso10646utf8": "utf-8",
    "iso2022jpms": ISO_2022_JP,
    "iso2022kr": "iso2022_kr",
    "iso88591windows30latin1": "cp1252",
    "iso88591windows31latin1": "cp1252",
    "iso88592windowslatin2": "cp1250",
    "iso88599windowslatin5": "cp1254",
    "ecmacyrillic": "koi8-r",  # KOI8-E: its letters are at the same places
    "isoir111": "koi8-r",
    "iso111ecmacyrillic": "koi8-r",
    "jis": ISO_2022_JP,
    "jis7": ISO_2022_JP,
    "jisencoding": ISO_2022_JP,
    "jisx0201": "cp932",
    "junet": ISO_2022_JP,
    "latin0": "iso-8859-15",
    "koi8t": "koi8_t",
    "latin15": "iso-8859-15",
    "pck": "cp932",
    "pc8codepage437": "cp437",
    "pc850multilingual": "cp850",
    "pcmultilingual850euro": "cp858",
    "pcp852": "cp852",
    "pc862latinhebrew": "cp862",
    "pc775baltic": "cp775",
    "rk1048": "kz1048",
    "roman8": "hp_roman8",
    "sjiswin": "cp932",
    "strk10482002": "kz1048",
    "thai": "cp874",
    "ucs2": "utf-16-be",
    "ucs4": "utf-32",
    "ucs4le": "utf-32-le",
    "unicodebig": "utf-16-be",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf-8",
    "unicode20utf7": "utf_7",
    "unicode20utf8": "utf-8",
    "utf7": "utf_7",
    "utf8mac": "utf-8",
    "utf8mb4": "utf-8",
    "utf8n": "utf-8",
    "viscii": "viscii",
    "visualhebrew": "iso-8859-8",
    "windowsiso2022jp": ISO_2022_JP,
    "windows30latin1": "cp1252",
    "windows31latin1": "cp1252",
    "windows31latin2": "cp1250",
    "windows31latin5": "cp1254",
    "winlatin1": "cp1252",
}
# Those of the Macintosh, by what follows `mac`.
_MAC = (
    "centraleurope mac_latin2 centraleurroman mac_latin2 croatian mac_croatian "
    "arabic mac_arabic ce mac_latin2 chinesesimp gb18030 chinesetrad big5hkscs farsi mac_farsi "
    "japanese cp932 hebrew cp1255 greek mac_greek iceland mac_iceland romania mac_romanian "
    "romanian mac_romanian thai cp874 turkish mac_turkish"
)
# Windows' numbers of what has another name elsewhere.
_NUMBERS = (
    "1200 utf-16 1201 utf-16-be 10000 mac_roman 10001 cp932 10002 big5hkscs 10003 cp949"
    " 10004 mac_arabic 10005 cp1255 10006 mac_greek 10007 mac_cyrillic 10008 gb18030"
    " 10010 mac_romanian 10017 mac_cyrillic 10021 cp874 10029 mac_latin2 10079 mac_iceland"
    " 10081 mac_turkish 10082 mac_croatian 12000 utf-32-le 12001 utf-32-be 20866 koi8-r"
    " 20932 euc_jp 20936 gb18030 20949 cp949 21866 koi8-u 28591 cp1252 28592 iso-8859-2"
    " 28593 iso-8859-3 28594 iso-8859-4 28595 iso-8859-5 28596 iso-8859-6 28597 iso-8859-7"
    " 28598 iso-8859-8 28599 cp1254 28603 iso-8859-13 28605 iso-8859-15 38598 iso-8859-8"
    f" 50220 {ISO_2022_JP} 50221 {ISO_2022_JP} 50222 {ISO_2022_JP} 50225 iso2022_kr"
    " 50227 gb18030 51932 euc_jp 51936 gb18030 51949 cp949 51950 big5hkscs 52936 hz"
    " 54936 gb18030 65000 utf_7 65001 utf-8"
).split()

# Only the octets tell what these are (`gateway.parser.detection`).
_SAYING_NOTHING = (
    *("ascii", "usascii", "us", "iso646us", "ansix341968", "csascii", "iso646irv1991", "isoir6"),
    *("unknown", "unknown8bit", "8bit", "7bit", "none", "default", "cp20127", "ansix341986"),
)
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_MODIFIED = re.compile(r"^(?:x|cs|ms|xms)(?=[a-z0-9])")
_PAGE = re.compile(r"^(?:windows|win|cp|ibm|ms|ccsid|codepage|dos)0*(?=[0-9]{3,5}$)")
_NUMBERED = re.compile(r"[a-z]{2,}[0-9]+|sjis")
_LONGEST_LABEL = 60


def _squeezed(label: str) -> str:
    return _PUNCTUATION.sub("", label.lower())


def _tables() -> dict[str, str]:
    """Codec by squeezed label; what stands later is stronger."""
    found: dict[str, str] = {}
    for label, codec in aliases.items():
        if codec not in _NO_CHARSETS:
            name = _WIDER.get(codec, codec)
            found[_squeezed(label)] = name
            found.setdefault(_squeezed(codec), name)
    for label, encoding in LABELS.items():
        if encoding not in _NOT_HERE:
            found[_squeezed(label)] = _WHATWG.get(encoding, encoding)
    found.update(_OTHERS)
    for prefix, words in (("mac", iter(_MAC.split())), ("cp", iter(_NUMBERS))):
        found |= {f"{prefix}{name}": codec for name, codec in zip(words, words, strict=True)}
    return found | dict.fromkeys(_SAYING_NOTHING, "ascii")


_CODECS = _tables()
_KNOWN = frozenset(_CODECS.values())


def is_codec(name: str) -> bool:
    """Whether `name` is one that `codec_of` gives."""
    return name in _KNOWN


@lru_cache(maxsize=256)
def codec_of(label: str) -> str | None:
    """The codec of a charset that mail uses; None for any other label."""
    if len(label) > _LONGEST_LABEL:
        return None
    name = _squeezed(label)
    plain = _MODIFIED.sub("", name)
    for one in (name, plain, _PAGE.sub("cp", name), _PAGE.sub("cp", plain), *_within(label)):
        if codec := _CODECS.get(one):
            return codec
    return None


def _within(label: str) -> Iterator[str]:
    """The words at the beginning of a label, most of them first, and each that has a number."""
    words = _PUNCTUATION.split(label.lower().removeprefix("x-"))[:8]
    if any(word.isdecimal() for word in words) or any(map(_NUMBERED.fullmatch, words)):
        yield from ("".join(words[:count]) for count in range(len(words) - 1, 0, -1))
        yield from filter(_NUMBERED.fullmatch, words)
