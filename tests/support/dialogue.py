"""SMTP dialogues as data: reading `*.smtp` files (see tests/dialogues/README.md).

Pure: nothing here opens a socket. A file that breaks the notation raises NotationError with its
line, before anything is played.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Verbs and whether something must follow them on the line.
VERBS = {
    "C:": True,
    "C+": True,
    "B:": True,
    "S:": True,
    "S?": True,
    "S=": True,
    "S*": True,
    "S!": False,
    "DROP": False,
    "HELLO": False,
    "TLS": False,
    "ON": True,
    "HOLD": True,
    "CLOSE": False,
    "HALFCLOSE": False,
    "RESET": False,
    "SLEEP": True,
    "SILENCE": True,
    "ASLEEP": False,
    "AWAKE": False,
    "SIGTERM": False,
    "EXIT": True,
    "STORED": True,
    "COPY": True,
    "LIST": True,
    "RUN": True,
    "API": True,
    "REPEAT": True,
    "END": False,
}


# The listeners that a dialogue may be played on, and the settings of a server that has them all.
KINDS = ("smtp", "smtps", "lmtp", "unix", "proxy")
ALL_LISTENERS = {
    "lmtp": "127.0.0.1:0, unix:{folder}/lmtp, proxy:127.0.0.1:0",
    "trusted_proxies": "127.0.0.1",
    "smtps": "127.0.0.1:0",
    "tls_certificate": "{certificate}",
    "tls_key": "{key}",
}


class NotationError(Exception):
    """A dialogue file says something the notation has no words for."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a dialogue; a REPEAT holds the lines up to its END."""

    number: int
    verb: str
    text: str
    block: tuple["Step", ...] = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One file: what it shows, the server it wants, what is said."""

    name: str
    shows: str
    steps: tuple[Step, ...]
    settings: dict[str, str] = field(default_factory=dict)
    own: bool = False  # a server for this file alone
    constants: dict[str, float] = field(
        default_factory=dict
    )  # that it has instead of the product's
    each_octet: bool = False  # B: sends octet by octet
    kind: str = "smtp"  # the listener it is played on
    also: tuple[str, ...] = ()  # and others

    def uses(self, *verbs: str) -> bool:
        """Tell whether one of the verbs occurs outside a REPEAT."""
        return any(step.verb in verbs for step in self.steps)


def read_dialogue(path: Path) -> Dialogue:
    return parse_dialogue(path.stem, path.read_text(encoding="utf-8"))


def parse_dialogue(name: str, text: str) -> Dialogue:
    shows, *rest = text.split("\n")
    if not shows.strip() or shows.startswith(("C:", "S:", "@", "#")):
        raise NotationError(f"{name}: the first line says what the dialogue shows")
    lines = _meaningful(rest)
    settings: dict[str, str] = {}
    constants: dict[str, float] = {}
    marks: set[str] = set()
    kind = "smtp"
    also: list[str] = []
    steps = []
    for number, line in lines:
        if line.startswith("@setting "):
            key, _, value = line.removeprefix("@setting ").partition("=")
            settings[key.strip()] = value.strip()
        elif line.startswith("@constant "):
            key, _, value = line.removeprefix("@constant ").partition("=")
            constants[key.strip()] = float(value)
        elif line.startswith("@on "):
            kind = line.removeprefix("@on ").strip()
        elif line.startswith("@also "):
            also += line.split()[1:]
        elif line in ("@own", "@each_octet", "@plain", "@only"):
            marks.add(line)
        else:
            steps.append(_step(name, number, line, lines))
    if kind not in KINDS:
        raise NotationError(f"{name}: no listener {kind!r}")
    if constants and "@own" not in marks:
        raise NotationError(f"{name}: a shared server has the product's constants")
    return Dialogue(
        name,
        shows.strip(),
        tuple(steps),
        settings if "@plain" in marks else ALL_LISTENERS | settings,
        "@own" in marks,
        constants,
        "@each_octet" in marks,
        kind,
        tuple(also) if {"@plain", "@only"} & marks or kind != "smtp" else ("smtps", *also),
    )


def _meaningful(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=2):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _step(name: str, number: int, line: str, following: Iterator[tuple[int, str]]) -> Step:
    stripped = line.lstrip()
    verb, space, text = stripped.partition(" ")
    if verb not in VERBS or VERBS[verb] != bool(space):
        raise NotationError(f"{name}:{number}: {line!r}")
    if verb != "REPEAT":
        return Step(number, verb, text)
    block: list[Step] = []
    for inner_number, inner in following:
        if inner.strip() == "END":
            return Step(number, verb, text, tuple(block))
        block.append(_step(name, inner_number, inner, following))
    raise NotationError(f"{name}:{number}: REPEAT without END")


def octets(expression: str) -> bytes:
    """Return the bytes that a B: line stands for: string literals, `+`, and `* count`."""
    return _octets(ast.parse(expression.strip(), mode="eval").body)


def _octets(node: ast.expr) -> bytes:
    match node:
        case ast.Constant(value=str(text)):
            return text.encode("utf-8")
        case ast.Constant(value=bytes(data)):
            return data
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _octets(left) + _octets(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=int(count))):
            return _octets(left) * count
    raise NotationError(f"not bytes: {ast.unparse(node)}")


def line_matches(expected: str, line: str) -> bool:
    """Tell whether the reply line begins with the expected words; `?` stands for any octet."""
    pattern = re.escape(expected).replace(r"\?", ".")
    border = "" if expected.endswith("-") else r"(?= |$)"
    return re.match(pattern + border, line) is not None


ENHANCED = re.compile(r"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3}(?: |$)")


def lacks_enhanced_code(line: str) -> bool:
    """Tell whether a reply line that needs an enhanced status code has none (RFC 2034)."""
    return not line.startswith("354") and ENHANCED.match(line) is None
