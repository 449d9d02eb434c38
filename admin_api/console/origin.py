"""Where a request comes from: pure functions of its headers, asked before anything else.

- A host that is not ours is refused, whatever it asks: a stranger's name that resolves to us makes
  the stranger's page one of ours (DNS rebinding). Ours are the names of `public_url` and
  `hostname`, `localhost`, and the addresses that the server is bound to. Bound to all addresses,
  and without `public_url`, any address is ours: nobody's DNS decides where an address leads.
- A request that changes something comes from a page of ours: the browser says so in Sec-Fetch-Site,
  in Origin, or in both. `null` is no origin of ours, and neither header means no browser.
- Our origin is `public_url`. Without it, it is what the browser called us (Host, which no page can
  set, and which was found to be ours), and only where a password may be typed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from config.hosts import is_loopback
from config.settings import Settings
from config.values import Endpoint


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """The names and addresses of this server; `any_address`: all addresses are."""

    names: frozenset[str]
    any_address: bool


def host_of(header: str | None) -> str:
    """Return the name or address in a Host header, in lower case; empty for none."""
    try:
        parts = urlsplit(f"//{header or ''}")
        port = parts.port  # raises ValueError for one that is none
    except ValueError:
        return ""
    bare = parts.username is None and not (parts.path or parts.query or parts.fragment)
    return parts.hostname or "" if bare and port != 0 else ""


def own_hosts(settings: Settings) -> OwnHosts:
    """Return the names and addresses by which this server is called."""
    named = host_of(settings.public_url.partition("://")[2])
    bound = {one.host.lower() for one in settings.http if isinstance(one, Endpoint)}
    is_wide = any(_is_unspecified(host) for host in bound)
    return OwnHosts(
        frozenset({"localhost", settings.hostname.lower(), named, *bound} - {""}),
        any_address=is_wide and not settings.public_url,
    )


def is_own_host(host: str, own: OwnHosts) -> bool:
    """Whether this server is meant: by a name of its own, or by an address."""
    address = _address(host)
    # Some browsers take 0.0.0.0 to this machine, from a page of any site.
    if address is None or address.is_unspecified:
        return address is None and host in own.names
    return host in own.names or address.is_loopback or own.any_address


def _is_unspecified(host: str) -> bool:
    address = _address(host)
    return not host or (address is not None and address.is_unspecified)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def why_foreign(site: str | None, origin: str | None, own: str) -> str | None:
    """Return why a request may not change anything; None when it may.

    `site` and `origin` are Sec-Fetch-Site and Origin, `own` is the origin of our pages, empty where
    none of our pages takes a form.
    """
    if not own:
        return "no form is taken by plain http from another machine"
    if site is None and origin is None:
        return "it does not say which page it comes from"
    # `same-site` will not do: another host of the domain may be somebody else's.
    if site is not None and site != "same-origin":
        return "it comes from another site"
    if origin is not None and origin.lower() != own:
        return f"this page is at {own}, and the form was not"
    return None


def own_origin(settings: Settings, host: str | None) -> str:
    """Return the scheme and host of our pages, as browsers write them; `host` is the header.

    Empty where no password may be typed: nobody signed in there, and nobody will.
    """
    if settings.public_url:
        return settings.public_url
    if not is_safe_place(settings, host):
        return ""
    # Browsers leave the default port out of Origin.
    return f"http://{(host or '').lower().removesuffix(':80')}"


def is_safe_place(settings: Settings, host: str | None) -> bool:
    """Whether a password may be typed here: by https, or on this machine, unless one says so."""
    return (
        settings.public_url.startswith("https:")
        or is_loopback(host_of(host))
        or settings.console_insecure == "on"
    )
