"""The words of a text, the same for every engine and for queries.

- Words are runs of letters and digits after NFKC and case folding, each cut to 64 characters. What
  takes no room on the page (soft hyphens, zero-width signs) parts no word; the dot that folding
  leaves of a Turkish capital is none of it.
- Scripts written without spaces give every pair of neighbours, and their last character by itself:
  so each character begins a word, and any part of a run is a phrase of its pairs.
- From its 255th time in a message on, a word is replaced by a filler: an engine that stores no more
  positions of a word then finds the same phrases as one that stores them all.
- At most 16,000 words, from the first 128 Ki characters, are indexed.
- Time is in proportion to the text; nothing here raises.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from unicodedata import normalize

# PostgreSQL keeps no position above 16,383, and no more than 255 of one word.
MAX_WORDS = 16_000
MAX_LENGTH = 64
MAX_OCCURRENCES = 255
# A text of one endless word never reaches MAX_WORDS.
MAX_CHARACTERS = 128 * 1024
FIELDS = ("sender", "recipient", "subject", "body")

# A private-use character is part of no word, so no query finds it.
FILLER = "\ue000"

# The share of the shorter fields in the 16,000 words; the body has the rest.
_FIELD_SHARE = {"sender": 200, "recipient": 2_000, "subject": 1_000, "body": MAX_WORDS}

# Thai, Lao, Tibetan, Burmese, Khmer; kana, bopomofo, Han, Hangul (whose particles cling).
_UNSPACED = (
    "\u0e00-\u0eff\u0f40-\u0fbc\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u2e80-\u2fdf"
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# Characters that are not letters for Python but occur within words: accents that did not compose,
# Hebrew and Arabic points, the vowels of India.
_MARKS = "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0971-\u0d7f"
_WORD = re.compile(rf"([{_UNSPACED}]+)|((?:[^\W_{_UNSPACED}]|[{_MARKS}])+)")
# Signs that no reader sees (Unicode 5.21, without fillers of Hangul, which are letters).
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]+"
)
_DOTTED = re.compile("i\u0307+")
_QUOTING = "'\"\\\0"
_MAX_PACKED = 4 * MAX_CHARACTERS * 2
_ASCII_WORD = re.compile(r"[0-9a-z]+")


# A message of the index: its id, its scopes, its words as `pack` gives them.
Entry = tuple[bytes, Sequence[str], bytes]


@dataclass(frozen=True, slots=True)
class Document:
    """The words of one message by field, in their order."""

    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    body: tuple[str, ...] = ()


def document(*, sender: str, recipient: str, subject: str, body: Iterable[str]) -> Document:
    """Return the first 16,000 words of a message; `body` are texts, used until there are enough."""
    left = MAX_WORDS
    taken: dict[str, list[str]] = {}
    texts = {"sender": [sender], "recipient": [recipient], "subject": [subject], "body": body}
    for field in FIELDS:
        taken[field] = _first(texts[field], min(left, _FIELD_SHARE[field]))
        left -= len(taken[field])
    _thin_out(taken)
    return Document(**{field: tuple(found) for field, found in taken.items()})


def words(text: str) -> list[str]:
    """Return the words of `text`, as they are in the index."""
    if text.isascii():
        return [word[:MAX_LENGTH] for word in _ASCII_WORD.findall(text.lower())]
    found: list[str] = []
    for run, word in _WORD.findall(folded(text)):
        if word:
            found.append(word[:MAX_LENGTH])
        else:
            found += [run[position : position + 2] for position in range(len(run))]
    return found


def folded(text: str) -> str:
    """Return `text` in the one form in which words are compared."""
    if text.isascii():
        return text.lower()
    # Folding may make what NFKC would still change: so NFKC again behind it (Unicode 3.13).
    seen = _UNSEEN.sub("", text)
    return _DOTTED.sub("i", normalize("NFKC", normalize("NFKC", seen).casefold()))


def looked_for(text: str) -> tuple[tuple[str, ...], bool]:
    """Return the words of a query text, side by side, and whether the last one is a prefix.

    The last character of an unspaced run is a word of its own only where the run ends: the searched
    run may go on there.
    """
    found = tuple(words(text))
    if not found or not _is_unspaced(found[-1]):
        return found, False
    if len(found) > 1 and len(found[-2]) == 2 and _is_unspaced(found[-2]):
        return found[:-1], False
    return found, True


def _is_unspaced(word: str) -> bool:
    return re.match(f"[{_UNSPACED}]", word) is not None


def _first(texts: Iterable[str], cap: int) -> list[str]:
    found: list[str] = []
    left = MAX_CHARACTERS
    for text in texts:
        found += words(text[:left])
        left -= len(text)
        if len(found) >= cap or left <= 0:
            break
    return found[:cap]


def _thin_out(taken: dict[str, list[str]]) -> None:
    counts = Counter(chain.from_iterable(taken.values()))
    often = {word for word, count in counts.items() if count > MAX_OCCURRENCES}
    if not often:
        return
    left = dict.fromkeys(often, MAX_OCCURRENCES)
    for found in taken.values():
        for position, word in enumerate(found):
            if word in often:
                left[word] -= 1
                if left[word] < 0:
                    found[position] = FILLER


def pack(found: Document) -> bytes:
    """Pack `found` for storage beside the index."""
    lines = (" ".join(getattr(found, field)) for field in FIELDS)
    return zlib.compress("\n".join(lines).encode(), 1)


def unpack(packed: bytes) -> dict[str, str]:
    """Return the words of each field, with spaces between them."""
    return dict(zip(FIELDS, zlib.decompress(packed).decode().split("\n"), strict=True))


def is_packed(octets: bytes) -> bool:
    """Whether `octets` come from `pack`: bounded, four fields, nothing an engine quotes."""
    # They come from the parser's process, which a crafted message may have taken over.
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(octets, _MAX_PACKED).decode()
    except (zlib.error, UnicodeDecodeError):
        return False
    if not stream.eof or text.count("\n") != len(FIELDS) - 1:
        return False
    return not any(sign in text for sign in _QUOTING)
