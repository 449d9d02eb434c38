"""E-mail addresses: how they are written, and the one form by which they compare.

Rules this module keeps:
- Two addresses are the same when their canonical forms are equal, and only then. The canonical form
  has the domain as lower-case A-label without trailing dot and the local part unquoted, in NFC,
  with its ASCII letters lowered.
- The canonical form is a key, never shown and never read back: `"a b"@x` has the key `a b@x`.
  `Address.text` is shown, the spelling first given.
- `email_validator` takes part only when somebody types an address into the API or the command line,
  and is imported then.

RFC 5321 4.1.2 and 4.5.3.1 (syntax, lengths), RFC 6531 (UTF-8), RFC 5891 and UTS 46 (domains).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_ADDRESS = 254
MAX_LOCAL_PART = 64
MAX_DOMAIN = 253

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a0-\U0010ffff]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Look-ups take stray dots as well: others have made addresses such as a..b@ and write from them.
_LOOSE_DOT_STRING = re.compile(rf"(?:{_ATEXT}|\.)+")
_QUOTED_STRING = re.compile(r'"((?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDS_ESCAPE = re.compile(r'(["\\])')
_DOTS = ".\u3002\uff0e\uff61"  # those that UTS 46 reads as one
# Local parts of senders that read no answers, in the languages in which they say so.
_NO_REPLY = re.compile(
    r"(?:.*[._+-])?(?:(?:no|do[._-]?not|never)[._-]?reply|ne[._-]?pas[._-]?repondre"
    r"|no[._-]?(?:responder|contestar)|nao[._-]?respond(?:a|er)|non[._-]?rispondere"
    r"|nicht[._-]?antworten|keine[._-]?antwort|niet[._-]?(?:be)?antwoorden|svara[._-]?(?:ej|inte)"
    r"|svar[._-]?ikke)(?:[0-9]+|[._+-].*)?"
    r"|(?:mailer|bugzilla|cron)[._-]?daemon|microsoftexchange[0-9a-f]{32}"
    r"|(?:.*[._-])?bounces|bounces?[._+-].*|bounce"
)
# Nearly every address has none of these, and each message that arrives asks for one.
_MAY_READ_NONE = re.compile("reply|bounce|daemon|pond|contest|antwo|svar|microsoftex")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# ASCII only: other letters are lowered differently by language and by Unicode version.
_LOWER_ASCII = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it was written, the local part without its quotes."""

    local_part: str
    domain: str

    @property
    def text(self) -> str:
        """The address as it is shown; the local part is quoted when it has to be."""
        return f"{quoted_local_part(self.local_part)}@{self.domain}"

    @property
    def canonical(self) -> str:
        """The key by which addresses compare. ValueError when the domain is no domain."""
        return f"{canonical_local_part(self.local_part)}@{canonical_domain(self.domain)}"


def parse_address(text: str, *, for_creation: bool = False) -> Address:
    """The address somebody typed; ValueError with a message fit to stand beside the field.

    With `for_creation` it is to become one of ours: "+" would be read as a subaddress, and a
    non-ASCII local part could not be reached by most senders, so neither is taken. The domain is as
    it was typed, but without a dot at its end.
    """
    written, _, domain = text.rpartition("@")
    _validate_local_part(written)
    if not _is_domain(domain):
        raise ValueError("The part after the @-sign is not a valid domain name.")
    address = _split(text)
    if address is None or len(text.encode()) > MAX_ADDRESS:
        raise ValueError("This is not a valid email address.")
    if for_creation and "+" in address.local_part:
        raise ValueError("The part before the @-sign must not contain a plus sign.")
    if for_creation and not address.local_part.isascii():
        raise ValueError("The part before the @-sign must be ASCII.")
    # In a zone file the root's dot ends a name; a Mailbox has none (RFC 5321 4.1.2).
    return Address(address.local_part, domain.rstrip(_DOTS))


@lru_cache(maxsize=4096)
def canonical_or_none(text: str) -> str | None:
    """The canonical form of an address in any spelling, None when it cannot be an address."""
    parts = _split(text)
    if parts is None:
        return None
    try:
        return parts.canonical
    except ValueError:
        return None


def canonical_local_part(local_part: str) -> str:
    """NFC with ASCII letters lowered; `local_part` is unquoted."""
    if local_part.isascii():
        return local_part.lower()
    lowered = unicodedata.normalize("NFC", local_part).translate(_LOWER_ASCII)
    # A lowered letter may compose with a mark that its capital does not compose with (H, U+0331).
    return unicodedata.normalize("NFC", lowered)


@lru_cache(maxsize=256)
def canonical_domain(text: str) -> str:
    """The domain as lower-case A-label without trailing dot; ValueError when it is no domain.

    An address literal is none, with or without brackets.
    """
    domain = text.removesuffix(".").lower() if text.isascii() else _a_label(text)
    if len(domain) > MAX_DOMAIN or not _DOMAIN.fullmatch(domain):
        raise ValueError("This is not a valid domain name.")
    # `192.0.2.1` fits the grammar of a domain, but no top-level domain is a number.
    if domain.rpartition(".")[2].isdigit():
        raise ValueError("This is an IP address, not a domain name.")
    return domain


def new_domain(text: str) -> str:
    """The canonical form of a domain that is to become one of ours; ValueError when it cannot.

    Stricter than look-ups are: a label with `xn--` has to stand for one in Unicode.
    """
    name = canonical_domain(text)
    if not all(_is_a_label(label) for label in name.split(".") if label.startswith("xn--")):
        raise ValueError("This is not a valid domain name: its xn-- stands for nothing in Unicode.")
    return name


def split_subaddress(local_part: str) -> str | None:
    """The part before the first "+"; None when there is no "+" or nothing before it."""
    base, plus, _ = local_part.partition("+")
    return base if plus and base else None


def reads_no_answers(address: str) -> bool:
    """Whether an address says that nobody reads what is sent to it, as `no-reply@` does."""
    local_part = address.lower().rpartition("@")[0]
    if _MAY_READ_NONE.search(local_part) is None:
        return False
    return _NO_REPLY.fullmatch(local_part) is not None


def quoted_local_part(local_part: str) -> str:
    """The local part as it is written in an address: as it is, or as a quoted string."""
    if _DOT_STRING.fullmatch(local_part):
        return local_part
    return '"' + _NEEDS_ESCAPE.sub(r"\\\1", local_part) + '"'


def unquoted_local_part(written: str) -> str | None:
    """Return the local part unquoted; None when it is neither a dot-string nor a quoted string."""
    if _LOOSE_DOT_STRING.fullmatch(written):
        return written
    quoted = _QUOTED_STRING.fullmatch(written)
    return _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else None


def _split(text: str) -> Address | None:
    written, at, domain = text.rpartition("@")
    # A lone surrogate has no UTF-8 form: the look-up itself would fail.
    if not at or _SURROGATE.search(text):
        return None
    local_part = unquoted_local_part(written)
    if not local_part or len(local_part.encode()) > MAX_LOCAL_PART:
        return None
    return Address(local_part, domain)


def _is_domain(text: str) -> bool:
    try:
        canonical_domain(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _a_label(text: str) -> str:
    import idna  # its tables are large, and most stores never see such a domain

    if len(text) > MAX_DOMAIN:
        raise ValueError("This is not a valid domain name.")
    try:
        encoded = idna.encode(text, uts46=True, transitional=False, std3_rules=True)
    except UnicodeError:
        raise ValueError("This is not a valid domain name.") from None
    return encoded.decode("ascii").removesuffix(".").lower()


def _is_a_label(label: str) -> bool:
    """Whether a label with `xn--` is what its Unicode form is encoded to (RFC 5890 2.3.2.1)."""
    import idna  # as above

    try:
        decoded = label.removeprefix("xn--").encode("ascii").decode("punycode")
        # UTS 46 alone: registries give out names with signs that IDNA 2008 does not have.
        mapped = idna.uts46_remap(decoded, std3_rules=True, transitional=False)
        encoded = "xn--" + decoded.encode("punycode").decode("ascii")
    except UnicodeError:
        return False
    return not decoded.isascii() and (mapped, encoded) == (decoded, label)


def _validate_local_part(written: str) -> None:
    """Let email_validator judge all but the domain: which of those may be ours is decided elsewhere
    (it would refuse names under .test, .local and .invalid, which an operator may well trust).
    """
    from email_validator import EmailNotValidError, validate_email  # see the top

    if not written:
        raise ValueError("An email address must have an @-sign and something before it.")
    try:
        validate_email(
            f"{written}@example.com", check_deliverability=False, allow_quoted_local=True
        )
    except EmailNotValidError as error:
        raise ValueError(_without_what_was_typed(str(error))) from None
    except ValueError:
        raise ValueError("This is not a valid email address.") from None


def _without_what_was_typed(message: str) -> str:
    """The message up to the place where it begins to quote: an answer never echoes an address."""
    return re.split(r"\s*[:(]|\s+'", message, maxsplit=1)[0].rstrip(".") + "."
