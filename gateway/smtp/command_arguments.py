"""The arguments of MAIL, RCPT and XFORWARD: a strict parser that never guesses.

Rules this module keeps:
- A command means what RFC 5321 says and nothing else: no RFC 2047 word is decoded, no
  comment skipped, no missing ">" supplied, no "%" or "!" read as a route.
- A source route is checked and dropped (RFC 5321 4.1.1.3, appendix C).
- A fault is a `BadCommand` with the reply to give; any bytes at all end in a value or in that.
- Lenient in three places, because real senders need it: spaces after the colon, stray dots in the
  local part of a sender (`a..b@`, handed out by telephone companies), "_" in a domain.

RFC 5321 4.1.2 and 4.5.3.1, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import NoReturn

from gateway.smtp import replies
from gateway.smtp.replies import Reply
from storage.address import MAX_DOMAIN, MAX_LOCAL_PART, unquoted_local_part

_BEYOND_ASCII = r"\u00a0-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_BEYOND_ASCII}-]"
_LOCAL_PART = rf'(?:{_ATEXT}|\.)+|"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])+"'
_LABEL = rf"[A-Za-z0-9_{_BEYOND_ASCII}-]{{1,63}}"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*\.?|\[[!-Z^-~]+\]"
_ROUTE = rf"@(?:{_DOMAIN})(?:,@(?:{_DOMAIN}))*:"

_MAIL = re.compile(r"FROM: *(.*)", re.IGNORECASE | re.DOTALL)
_RCPT = re.compile(r"TO: *(.*)", re.IGNORECASE | re.DOTALL)
_PATH = re.compile(rf"<(?:{_ROUTE})?(({_LOCAL_PART})@({_DOMAIN}))>( .*)?", re.DOTALL)
_NULL_PATH = re.compile(r"<>( .*)?", re.DOTALL)
_POSTMASTER = re.compile(r"<(postmaster)>( .*)?", re.IGNORECASE | re.DOTALL)
_STRAY_DOT = re.compile(r"\.\.|\A\.|\.\Z")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2}|[^\x00-\x7f]){1,255}")
_SIZE = re.compile(r"[0-9]{1,20}")

# A mail process hears the same few commands over and over; each is at most 2 KiB.
_REMEMBERED = 256


class BadCommand(Exception):
    """The command is refused with `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Path:
    """An address of the envelope: the local part unquoted, the domain without a trailing dot.

    `raw` is what stood between the angle brackets, without a source route. `domain` is empty for
    `<postmaster>` alone, and an address literal keeps its brackets.
    """

    local_part: str
    domain: str
    raw: str


@dataclass(frozen=True, slots=True)
class MailCommand:
    """MAIL FROM: `reverse_path` is None for `<>`, `size` what SIZE= declared, in octets."""

    reverse_path: Path | None
    size: int | None
    body: str
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class RcptCommand:
    """RCPT TO."""

    forward_path: Path


@lru_cache(maxsize=_REMEMBERED)
def parse_mail(argument: bytes, *, smtputf8_offered: bool = True) -> MailCommand:
    """Parse the text after `MAIL` and a space. Raises `BadCommand`."""
    opening = _MAIL.fullmatch(_text(argument))
    if opening is None:
        _refuse(replies.SYNTAX_MAIL)
    if found := _NULL_PATH.fullmatch(opening[1]):
        reverse_path, rest = None, found[1]
    elif found := _PATH.fullmatch(opening[1]):
        reverse_path, rest = _path(found, replies.BAD_SENDER), found[4]
    else:
        _refuse(replies.BAD_SENDER)
    size, body, smtputf8 = _mail_parameters(rest or "", smtputf8_offered)
    if reverse_path is not None and not smtputf8 and not reverse_path.raw.isascii():
        _refuse(replies.NEEDS_SMTPUTF8)
    return MailCommand(reverse_path, size, body, smtputf8)


@lru_cache(maxsize=_REMEMBERED)
def parse_rcpt(argument: bytes, *, smtputf8: bool) -> RcptCommand:
    """Parse the text after `RCPT` and a space; `smtputf8` as in MAIL. Raises `BadCommand`."""
    opening = _RCPT.fullmatch(_text(argument))
    if opening is None:
        _refuse(replies.SYNTAX_RCPT)
    if found := _PATH.fullmatch(opening[1]):
        forward_path, rest = _path(found, replies.BAD_RECIPIENT), found[4]
        # Lenient to senders only: no address of ours has a stray dot.
        if found[2][0] != '"' and _STRAY_DOT.search(found[2]):
            _refuse(replies.BAD_RECIPIENT)
    elif found := _POSTMASTER.fullmatch(opening[1]):
        forward_path, rest = Path(found[1], "", found[1]), found[2]
    else:
        _refuse(replies.BAD_RECIPIENT)
    if not smtputf8 and not forward_path.raw.isascii():
        _refuse(replies.NEEDS_SMTPUTF8)
    # No extension that we offer has a parameter of RCPT (RFC 5321 4.1.1.11).
    for _ in _parameters(rest or ""):
        _refuse(replies.UNKNOWN_PARAMETER)
    return RcptCommand(forward_path)


def parse_xforward(argument: bytes) -> dict[str, str]:
    """Parse the text after `XFORWARD`: attributes by name; an unavailable one is empty.

    Raises `BadCommand`.
    """
    found: dict[str, str] = {}
    for word in _text(argument).split(" "):
        name, equals, written = word.partition("=")
        name = name.upper()
        value = _xtext(written)
        # Values go into trace fields and logs: no control character may come with them.
        if not equals or name in found or name not in _XFORWARD or not value.isprintable():
            _refuse(replies.BAD_XFORWARD)
        if value == "[UNAVAILABLE]":
            value = ""
        elif not _XFORWARD[name](value):
            _refuse(replies.BAD_XFORWARD)
        found[name] = value
    if "ADDR" in found:
        found["ADDR"] = found["ADDR"].removeprefix("IPV6:")
    return found


def _xtext(written: str) -> str:
    """RFC 3461 4: `+` and two capital hexadecimal digits stand for an octet."""
    if not _XTEXT.fullmatch(written):
        _refuse(replies.BAD_XFORWARD)
    octets = re.sub(rb"\+([0-9A-F]{2})", _octet, written.encode())
    try:
        return octets.decode()
    except UnicodeDecodeError:
        _refuse(replies.BAD_XFORWARD)


def _octet(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


def _is_address(text: str) -> bool:
    try:
        ip_address(text.removeprefix("IPV6:"))
    except ValueError:
        return False
    # A zone (`fe80::1%eth0`) belongs to the relay's own machine.
    return "%" not in text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535


# Each attribute (Postfix, XFORWARD_README) and what its value has to be.
_XFORWARD: dict[str, Callable[[str], object]] = {
    "NAME": bool,
    "ADDR": _is_address,
    "PORT": _is_port,
    "PROTO": bool,
    "HELO": bool,
    "IDENT": bool,
    "SOURCE": {"LOCAL", "REMOTE"}.__contains__,
}


def _text(argument: bytes) -> str:
    try:
        return argument.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(replies.BAD_UTF8)


def _path(found: re.Match[str], bad: Reply) -> Path:
    raw, written, domain, _ = found.groups()
    local_part = unquoted_local_part(written)
    domain = domain.removesuffix(".")
    if not local_part or len(local_part.encode()) > MAX_LOCAL_PART or len(domain) > MAX_DOMAIN:
        _refuse(bad)
    return Path(local_part, domain, raw)


def _mail_parameters(text: str, smtputf8_offered: bool) -> tuple[int | None, str, bool]:
    size, body, smtputf8 = None, "7BIT", False
    for keyword, value in _parameters(text):
        if keyword == "SIZE":
            size = _size(value)
        elif keyword == "BODY":
            body = _body(value)
        elif keyword == "SMTPUTF8" and smtputf8_offered:
            smtputf8 = _flag(value)
        else:
            _refuse(replies.UNKNOWN_PARAMETER)
    return size, body, smtputf8


def _parameters(text: str) -> Iterator[tuple[str, str | None]]:
    """Keyword, in capitals, and value of each parameter; one given twice is refused."""
    seen = set()
    for word in filter(None, text.split(" ")):
        found = _PARAMETER.fullmatch(word)
        if found is None or (keyword := found[1].upper()) in seen:
            _refuse(replies.BAD_PARAMETER)
        seen.add(keyword)
        yield keyword, found[2]


def _size(value: str | None) -> int:
    if value is None or not _SIZE.fullmatch(value):
        _refuse(replies.BAD_PARAMETER)
    return int(value)


def _body(value: str | None) -> str:
    body = (value or "").upper()
    if body == "BINARYMIME":  # needs CHUNKING, which is not offered
        _refuse(replies.UNKNOWN_PARAMETER)
    if body not in {"7BIT", "8BITMIME"}:
        _refuse(replies.BAD_PARAMETER)
    return body


def _flag(value: str | None) -> bool:
    if value is not None:
        _refuse(replies.BAD_PARAMETER)
    return True


def _refuse(reply: Reply) -> NoReturn:
    raise BadCommand(reply)
