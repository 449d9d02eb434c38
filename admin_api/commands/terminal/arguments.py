"""From what an operator typed to a value, or to a fault that names what it stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from admin_api.commands.terminal.faults import Faults
from admin_api.http import texts
from storage.address import Address, canonical_domain, new_domain, parse_address

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.outbound.domain_smarthosts import DomainSmarthost, TlsMode


def address(text: str, field: str, *, for_creation: bool = False) -> Address:
    """An address; `for_creation` when it is to become one of ours. Raises Faults."""
    try:
        return parse_address(text, for_creation=for_creation)
    except ValueError as error:
        raise Faults(f"{field}: {error}") from None


def name(text: str, field: str = "name") -> str:
    """One line with something in it, as the API takes for a name. Raises Faults."""
    _checked(texts.not_blank, text, field)
    _check_length(text, texts.NAME_LENGTH, field)
    return _checked(texts.one_line, text, field)


def signature(text: str) -> str:
    """Some lines of text. Raises Faults."""
    _check_length(text, texts.SIGNATURE_LENGTH, "signature")
    return _checked(texts.some_lines, text, "signature")


def timezone(text: str) -> str:
    """The name of a time zone. Raises Faults."""
    return _checked(texts.timezone, text, "timezone")


def _check_length(text: str, most: int, field: str) -> None:
    if len(text) > most:
        raise Faults(f"{field}: must have at most {most} characters")


def _checked(check: Callable[[str], str], text: str, field: str) -> str:
    try:
        check(text)
    except ValueError as error:
        raise Faults(f"{field}: {error}") from None
    # Octets of the command line that are no UTF-8 arrive as these; no store can keep them.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Faults(f"{field}: must be UTF-8")
    return text


def domain(text: str, *, for_creation: bool = False) -> str:
    """A domain's name as lower-case A-label; `for_creation` when it is to become ours.

    Raises Faults.
    """
    try:
        return new_domain(text) if for_creation else canonical_domain(text)
    except ValueError as error:
        raise Faults(f"domain: {error}") from None


def smarthost(
    settings: Settings, host: str, *, tls: TlsMode, username: str, password_file: str
) -> DomainSmarthost:
    """The smarthost of a domain, by the rules of the settings for theirs. Raises Faults."""
    from config import values
    from config.hosts import is_inside
    from storage.outbound.domain_smarthosts import DomainSmarthost

    try:
        found = values.smarthost(host)
        values.credential(username)
    except ValueError as error:
        raise Faults(f"smarthost: {error}") from None
    if found is None:
        raise Faults("smarthost: must be host:port, such as smtp.example.net:587")
    if tls == "none" and not is_inside(found.host, settings.webhook_allow_networks):
        raise Faults(
            "tls: none is for loopback and webhook_allow_networks only, by their addresses"
        )
    if bool(username) != bool(password_file):
        raise Faults("username: goes together with password-file")
    path = str(Path(password_file).absolute()) if password_file else ""
    if path and not Path(path).is_file():
        raise Faults("password-file: is no file that can be read here")
    return DomainSmarthost(found.host, found.port, tls, username, path)


def password(text: str) -> str:
    """A password that will do. Raises Faults."""
    from admin_api.access.passwords import check_password

    fault = check_password(text)
    if fault:
        raise Faults(f"password: {fault}")
    return text
