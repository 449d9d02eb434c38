"""Parsers of the settings that are URLs; they raise ValueError as `config.values` says."""

import re

from config import store_url
from config.hosts import ip6, is_host, is_loopback
from config.values import HIDDEN, shown

PUBLIC_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}

# At most one @, and nothing that would make a part of the password the host, which errors name.
URL_SIGN = r"(?:[\w.~!$'()*+,;-]|%[0-9A-Fa-f]{2})"
URL_PARAMETER = rf"[a-z_]+=(?:{URL_SIGN}|[/:@])*"
STORE_URL = re.compile(
    rf"postgres(?:ql)?://(?:{URL_SIGN}*(?P<password>:{URL_SIGN}*)?@)?(?:{URL_SIGN}|[\[\]:])*"
    rf"(?:/{URL_SIGN}*)?(?:\?{URL_PARAMETER}(?:&{URL_PARAMETER})*)?",
    re.ASCII,
)
# No keys in it: they have settings of their own.
BUCKET_URL = re.compile(
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w.-]+)*/?"
    r"(?:\?(?:endpoint=https?://[\w.\[\]:-]+|region=[\w-]+)"
    r"(?:&(?:endpoint=https?://[\w.\[\]:-]+|region=[\w-]+))?)?",
    re.ASCII,
)
PASSWORD_PARAMETER = re.compile(r"(?<=[?&])(password|sslpassword)=[^&]+")


def public_url(value: object) -> str:
    """Parse the scheme and host by which browsers reach this server, or nothing.

    Without a path; https, or http on loopback: a cookie goes by it.
    """
    text = value.strip() if isinstance(value, str) else None
    if text == "":
        return ""
    found = PUBLIC_URL.fullmatch(text or "")
    host = found["host"].lower().strip("[]") if found else ""
    if found is None or not _is_url_host(found["host"]) or int(found["port"] or 0) > 65535:
        raise ValueError(f"expected https:// and a host without a path, not {shown(value)}")
    scheme = found["scheme"].lower()
    # The session's cookie could be read on the way.
    if scheme == "http" and not is_loopback(host):
        raise ValueError("expected https; http only on loopback")
    port = found["port"] if int(found["port"] or 0) not in (0, _DEFAULT_PORTS[scheme]) else ""
    return f"{scheme}://{found['host'].lower()}{port and f':{int(port)}'}"


def _is_url_host(host: str) -> bool:
    try:
        return bool(ip6(host[1:-1])) if host.startswith("[") else is_host(host)
    except ValueError:
        return False


def store(value: object) -> str:
    """Parse the place of the store: sqlite, or the URL of a PostgreSQL database.

    The URL may hold a password, so it is in no message.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text.lower() == "sqlite":
        return "sqlite"
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("expected sqlite or a URL such as postgresql://user@host/database")
    if not STORE_URL.fullmatch(text):
        raise ValueError(
            "expected postgresql://user:password@host:port/database, every other sign in it as %XX"
        )
    if fault := store_url.fault_of(text):
        raise ValueError(fault)
    return text


def store_text(text: str) -> str:
    """Write the place of the store, without its password."""
    match = STORE_URL.fullmatch(text)
    if match and match["password"]:
        text = f"{text[: match.start('password')]}:{HIDDEN}{text[match.end('password') :]}"
    return PASSWORD_PARAMETER.sub(rf"\1={HIDDEN}", text)


def content(value: object) -> str:
    """Parse where large contents are to lie: files, database, a bucket's URL, or the default."""
    text = value.strip() if isinstance(value, str) else "?"
    if text.lower() in ("", "files", "database"):
        return text.lower()
    if not text.startswith("s3://"):
        raise ValueError(f"expected files, database or s3://bucket/prefix, not {shown(value)}")
    if not BUCKET_URL.fullmatch(text):
        # Without the value: somebody may have put the keys into it.
        raise ValueError("expected s3://bucket/prefix?endpoint=https://host:port&region=name")
    prefix = text.partition("?")[0].split("/")[3:]
    if {".", ".."} & {*prefix}:
        raise ValueError("expected a prefix without a part . or .. in it: no object has such a key")
    return text
