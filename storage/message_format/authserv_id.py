"""The grammar of Authentication-Results: clauses, and the authserv-id of the writing server.

- One grammar for all readers: a field that one of them takes for ours, and another does not, would
  be believed by one and shown as forged by the other.
- Comments may be nested and do not count; a quoted string is one word. The reading of a field ends
  at a fault; all before it counts.
- Names of servers are compared without case, white space around them and a last dot.

RFC 8601 2.2, RFC 5322 3.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Possessive (`*+`): a quote that never ends is read once, not again for each shorter match.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<comment>\()
    | (?P<quoted>"(?:[^"\\]|\\.)*+")
    | (?P<mark>[;=])
    | (?P<word>[^ \t\r\n()";=]+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_COMMENT = re.compile(r"[()]|\\.|[^()\\]+", re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)


def authserv_id(value: str) -> str:
    """Return the name of the server that wrote a field, as it compares; empty when it has none."""
    first = next(clauses(value), [])
    return comparable(first[0]) if first else ""


def comparable(name: str) -> str:
    """Return the name of a server as it compares."""
    return name.strip().rstrip(".").lower()


def clauses(text: str) -> Iterator[list[str]]:
    """Yield the words between semicolons, `=` as a word of its own, without comments."""
    clause: list[str] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            break
        position = token.end()
        if token.lastgroup == "comment":
            position = _behind_comment(text, position)
        elif token[0] == ";":
            yield clause
            clause = []
        elif token.lastgroup == "quoted":
            clause.append(_PAIR.sub(r"\1", token[0][1:-1]))
        elif token.lastgroup != "space":
            clause.append(token[0])
    yield clause


def _behind_comment(text: str, position: int) -> int:
    """Where a comment ends; the end of the text for one that is never closed."""
    depth = 1
    for token in _IN_COMMENT.finditer(text, position):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)
