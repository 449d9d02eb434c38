"""A small SMTP client, for `postroom send` and test mail: one message, one transaction.

It is for trying a server out where no other program is at hand. It returns all replies, does not
retry and does not queue. The envelope is sent as typed, so that refusals can be seen too.
"""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from config.listening import ListenAddress, UnixSocket

_TIMEOUT = 60.0
_NOBODY = "MAILER-DAEMON@localhost"  # the author of mail with the null reverse-path


@dataclass(frozen=True, slots=True)
class Sent:
    """The server's last reply, and each refusal by the command it answered."""

    reply: str
    refused: dict[str, str]
    accepted: bool


def compose(sender: str, recipients: Sequence[str], subject: str, body: str) -> bytes:
    """A plain text message. ValueError names the field that no header can hold."""
    message = EmailMessage(SMTP.clone(utf8=not _is_ascii(sender, *recipients)))
    fields = {"From": sender or _NOBODY, "To": ", ".join(recipients), "Subject": subject}
    for name, value in fields.items():
        try:
            message[name] = value
        except ValueError as error:
            raise ValueError(f"{name.lower()}: {error}") from None
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="postroom.invalid")
    message.set_content(body + "\n")
    return message.as_bytes()


class _Client(smtplib.LMTP):
    """SMTP by TCP or by a unix socket, which the library knows for LMTP only."""

    ehlo_msg = "ehlo"


def deliver(server: ListenAddress, sender: str, recipients: Sequence[str], message: bytes) -> Sent:
    """Send the message once. OSError when the server cannot be reached or hangs up."""
    try:
        with _client(server) as client:
            client.ehlo_or_helo_if_needed()
            return _transact(client, sender, recipients, message)
    except smtplib.SMTPResponseException as error:
        return _refused({"connection": _text(error.smtp_code, error.smtp_error)})


def _client(server: ListenAddress) -> smtplib.SMTP:
    # A host that begins with a slash is a path to it.
    if isinstance(server, UnixSocket):
        return _Client(str(server.path), 0, "[127.0.0.1]", timeout=_TIMEOUT)
    return _Client(server.host, server.port, "[127.0.0.1]", timeout=_TIMEOUT)


def _transact(client: smtplib.SMTP, sender: str, recipients: Sequence[str], message: bytes) -> Sent:
    parameters = ""
    if not _is_ascii(sender, *recipients):
        client.command_encoding = "utf-8"
        parameters = " SMTPUTF8"
    refused: dict[str, str] = {}
    command = f"MAIL FROM:<{sender}>"
    code, text = client.docmd(command + parameters)
    if code != 250:
        return _refused({command: _text(code, text)})
    for recipient in recipients:
        command = f"RCPT TO:<{recipient}>"
        code, text = client.docmd(command)
        if code not in (250, 251):
            refused[command] = _text(code, text)
    if len(refused) == len(recipients):
        return _refused(refused)
    try:
        code, text = client.data(message)
    except smtplib.SMTPDataError as error:
        return _refused(refused | {"DATA": _text(error.smtp_code, error.smtp_error)})
    reply = _text(code, text)
    if code != 250:
        return _refused(refused | {"DATA": reply})
    return Sent(reply, refused, accepted=True)


def _refused(refused: dict[str, str]) -> Sent:
    return Sent(list(refused.values())[-1], refused, accepted=False)


def _text(code: int, text: bytes | str) -> str:
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return f"{code} {words}"


def _is_ascii(*texts: str) -> bool:
    return all(map(str.isascii, texts))
