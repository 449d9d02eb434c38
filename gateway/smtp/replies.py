"""Every reply the gateway gives, as a constant.

Rules this module keeps:
- No code, enhanced code or reply text is written anywhere else in the gateway.
- A text is useful to the person who reads a bounce and says nothing about our insides: no version,
  no address, no cause of a fault.
- 5yz only for a verdict about this address, this message or this command; whatever goes wrong on
  our side is 4yz, so that the sender keeps the message.

RFC 5321 4.2 (replies), RFC 2034 and RFC 3463 (enhanced codes: in every reply but the greeting, the
answer to HELO and EHLO, and 354).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.counters import Labels, unlabelled


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `line` is what goes on the wire; `closes` says that we hang up after it."""

    code: int
    enhanced: str
    text: str
    closes: bool = False
    line: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        line = f"{self.code} {enhanced}{self.text}\r\n".encode("ascii")
        object.__setattr__(self, "line", line)


def greeting(hostname: str, protocol: str) -> Reply:
    """The banner: it names the protocol (`ESMTP`, `LMTP`), never a product or a version."""
    return Reply(220, "", f"{hostname} {protocol}")


def helo(hostname: str) -> Reply:
    """The answer to HELO."""
    return Reply(250, "", hostname)


def ehlo(hostname: str, keywords: Sequence[str]) -> bytes:
    """The answer to EHLO or LHLO: our name and what we offer, to be written in one piece."""
    return multiline(250, [hostname, *keywords])


def multiline(code: int, lines: Sequence[str]) -> bytes:
    """A reply of several lines; the last one has a space after the code, the others a hyphen."""
    last = len(lines) - 1
    marks = ("-" if index < last else " " for index in range(len(lines)))
    text = "".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True))
    return text.encode("ascii")


def accepted(message_id: str) -> Reply:
    """Every copy is on stable storage; `message_id` is ours (`msg_…`)."""
    return Reply(250, "2.0.0", f"Accepted as {message_id}")


def unknown(verb: bytes) -> Reply:
    """Answer a command that is none; a peer that speaks another protocol is told to go."""
    if verb and (verb in _NOT_SMTP_VERBS or not verb.isalpha()):
        return NOT_SMTP
    return COMMAND_UNKNOWN


_NOT_SMTP_VERBS = (b"GET", b"POST", b"CONNECT", b"PUT")

# Going well
OK = Reply(250, "2.0.0", "OK")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
START_DATA = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
GOODBYE = Reply(221, "2.0.0", "Goodbye", closes=True)
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take mail for a valid recipient")
HELP = Reply(214, "2.0.0", "RFC 5321; write to postmaster for help from a person")

# We hang up, the sender may come again
PROXY_REFUSED = Reply(421, "4.7.0", "PROXY header missing or not trusted; closing", closes=True)
NOT_SMTP = Reply(421, "4.7.0", "This is a mail server; closing", closes=True)
TOO_MANY_DEFERRED = Reply(421, "4.7.0", "Too many deferred commands; closing", closes=True)
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; closing", closes=True)
TOO_MANY_IDLE_COMMANDS = Reply(421, "4.7.0", "Too many commands without mail; closing", closes=True)
TOO_MANY_UNKNOWN = Reply(421, "4.7.0", "Too many unknown recipients; closing", closes=True)
TOO_MANY_FROM_CLIENT = Reply(421, "4.7.0", "Too many connections from your network", closes=True)
TOO_MANY_CONNECTIONS = Reply(421, "4.3.2", "Too many connections, try again later", closes=True)
FAULT_CLOSING = Reply(421, "4.3.0", "Temporary fault on our side; closing", closes=True)
SHUTTING_DOWN = Reply(421, "4.3.2", "Service is shutting down, try again later", closes=True)
IDLE_TIMEOUT = Reply(421, "4.4.2", "Idle for too long; closing", closes=True)
TOO_SLOW = Reply(421, "4.4.2", "Data arrives too slowly; closing", closes=True)
TRANSACTION_TOO_LONG = Reply(421, "4.4.2", "Too long from MAIL to DATA; closing", closes=True)
SESSION_TOO_LONG = Reply(421, "4.4.2", "Session has lasted too long; closing", closes=True)

# This recipient cannot have mail now
LIST_EMPTY = Reply(450, "4.2.1", "This address has no members at the moment, try again later")
LIST_RATE = Reply(450, "4.7.1", "Too much mail from your network for this list, try again later")
POSTMASTER_UNSET = Reply(450, "4.2.1", "No mailbox for this address yet, try again later")
DOMAIN_REVOKED = Reply(450, "4.2.1", "Mail for this domain is on hold, try again later")
OVER_QUOTA = Reply(452, "4.2.2", "Mailbox is full, try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send to the rest separately")
OTHER_TENANT = Reply(452, "4.5.3", "Send to this recipient in a separate transaction")

# We cannot now
FAULT = Reply(451, "4.3.0", "Temporary fault on our side, try again later")
STORE_UNAVAILABLE = Reply(451, "4.3.0", "Mail store is not available, try again later")
ROUTE_CHANGED = Reply(451, "4.3.0", "A recipient has changed meanwhile, try again later")
NO_SPACE = Reply(452, "4.3.1", "Not enough space, try again later")

# The command is wrong
COMMAND_TOO_LONG = Reply(500, "5.5.2", "Command line is too long")
COMMAND_BARE_LF = Reply(500, "5.5.2", "Command line must end in CRLF")
USE_LHLO = Reply(500, "5.5.1", "This is LMTP; send LHLO")
USE_EHLO = Reply(500, "5.5.1", "This is SMTP; send EHLO")
COMMAND_UNKNOWN = Reply(500, "5.5.2", "Command not recognized")
BAD_SENDER = Reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = Reply(501, "5.1.3", "Bad recipient address syntax")
BAD_UTF8 = Reply(501, "5.5.4", "Not valid UTF-8")
BAD_PARAMETER = Reply(501, "5.5.4", "Bad or repeated parameter")
BAD_XFORWARD = Reply(501, "5.5.4", "Bad or repeated XFORWARD attribute")
SYNTAX_HELO = Reply(501, "5.5.4", "Syntax: HELO or EHLO hostname")
SYNTAX_MAIL = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
SYNTAX_RCPT = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
ARGUMENT_NEEDED = Reply(501, "5.5.4", "This command needs an argument")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
# It closes: else the octets of a chunk would be read as commands.
BDAT_NOT_OFFERED = Reply(502, "5.5.1", "CHUNKING is not offered; closing", closes=True)
HELO_FIRST = Reply(503, "5.5.1", "Send HELO or EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
MAIL_NESTED = Reply(503, "5.5.1", "Sender already given; send RSET to begin again")
XFORWARD_LATE = Reply(503, "5.5.1", "XFORWARD comes before MAIL")
TLS_ACTIVE = Reply(503, "5.5.1", "TLS is active already")
TLS_REQUIRED = Reply(530, "5.7.0", "Send STARTTLS first")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognized or not offered")

# A verdict about the address
XFORWARD_DENIED = Reply(550, "5.7.0", "XFORWARD is not for this client")
NO_SUCH_RECIPIENT = Reply(550, "5.1.1", "No such recipient here")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "Address is not ASCII; SMTPUTF8 must be declared in MAIL")
RELAY_DENIED = Reply(554, "5.7.1", "Not a domain of ours; relaying is denied")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")

# A verdict about the message or the session
DMARC_REFUSED = Reply(550, "5.7.26", "The DMARC policy of the domain in From refuses this message")
BARE_DOT_LINE = Reply(550, "5.5.2", "Lone dot framed by a bare CR or LF; lines must end in CRLF")
BARE_NEWLINE = Reply(550, "5.5.2", "Bare CR or LF in message; lines must end in CRLF")
TOO_LARGE = Reply(552, "5.3.4", "Message is larger than we take")
TOO_LARGE_CLOSING = Reply(552, "5.3.4", "Message is larger than we take; closing", closes=True)
TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops: over 50 Received fields")
LOOP = Reply(554, "5.4.6", "Mail loop: this message has been delivered here before")
TALKED_EARLY = Reply(554, "5.5.0", "Protocol error: you spoke before your turn", closes=True)


def labels() -> Labels:
    """Code and name of each reply of this module, by its code and text, for the counters."""
    named = {
        (reply.code, reply.text): (str(reply.code), name.lower())
        for name, reply in globals().items()
        if isinstance(reply, Reply)
    }
    return named | {(code, ""): unlabelled(code) for code in (220, 250, 354, 421, 450, 451, 452)}


_MOST_ERRORS = 20
_MOST_UNKNOWN = 20
_MOST_IDLE_COMMANDS = 100
_MOST_DEFERRED = 2000


class ReplyCounts:
    """The bad replies and idle commands of one session; at so many it ends (`docs/limits.md`)."""

    __slots__ = ("_deferred", "_errors", "_unknown", "idle_commands")

    def __init__(self) -> None:
        self._errors = self._unknown = self._deferred = self.idle_commands = 0

    def add(self, reply: Reply) -> None:
        """Count a reply that was given."""
        kind = reply.code // 100
        self._errors += kind == 5
        self._deferred += kind == 4
        self._unknown += reply is NO_SUCH_RECIPIENT

    def add_all(self, given: Iterable[Reply]) -> None:
        """Count replies that were given together."""
        for reply in given:
            self.add(reply)

    def last_word(self) -> Reply | None:
        """Return the reply that ends the session, when it is time."""
        if self._unknown >= _MOST_UNKNOWN:
            return TOO_MANY_UNKNOWN
        if self._errors >= _MOST_ERRORS:
            return TOO_MANY_ERRORS
        if self._deferred >= _MOST_DEFERRED:
            return TOO_MANY_DEFERRED
        if self.idle_commands >= _MOST_IDLE_COMMANDS:
            return TOO_MANY_IDLE_COMMANDS
        return None
