"""Where a request comes from: pure functions of its headers, asked before anything else.

- A host that is not ours is refused, whatever it asks: a stranger's name that resolves to us makes
  the stranger's page one of ours (DNS rebinding). No name has to be asked for an IP address.
- A request that changes something comes from a page of ours: the browser says so in Sec-Fetch-Site,
  in Origin, or in both. `null` is no origin of ours, and neither header means no browser.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.settings import Settings
from config.values import is_loopback


def host_of(header: str | None) -> str:
    """Return the name or address in a Host header, in lower case; empty for none."""
    try:
        parts = urlsplit(f"//{header or ''}")
        port = parts.port  # raises ValueError for one that is none
    except ValueError:
        return ""
    bare = parts.username is None and not (parts.path or parts.query or parts.fragment)
    return parts.hostname or "" if bare and port != 0 else ""


def own_names(settings: Settings) -> frozenset[str]:
    """Return the names and addresses by which this server is called."""
    named = host_of(settings.public_url.partition("://")[2])
    bound = {endpoint.host.lower() for endpoint in settings.http}
    return frozenset({"localhost", settings.hostname.lower(), named, *bound} - {""})


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether this server is meant: by a name of its own, or by an address."""
    if not host:
        return False
    return host in names or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def why_foreign(site: str | None, origin: str | None, own: str) -> str | None:
    """Return why a request may not change anything; None when it may.

    `site` and `origin` are Sec-Fetch-Site and Origin, `own` is the origin of our pages.
    """
    if site is None and origin is None:
        return "it does not say which page it comes from"
    if site is not None and site != "same-origin":
        return "it comes from another site"
    if origin is not None and origin.lower() != own:
        return f"this page is at {own}, and the form was not"
    return None


def own_origin(settings: Settings, host: str | None) -> str:
    """Return the scheme and host of our pages, as browsers write them; `host` is the header."""
    return settings.public_url or f"http://{(host or '').lower().removesuffix(':80')}"


def is_safe_place(settings: Settings, host: str | None) -> bool:
    """Whether a password may be typed here: by https, or on this machine, unless one says so."""
    return (
        settings.public_url.startswith("https:")
        or is_loopback(host_of(host))
        or settings.console_insecure == "on"
    )
