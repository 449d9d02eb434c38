"""Faults of several settings together, where each alone is well."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import fields

from config import listening
from config.hosts import is_inside
from config.settings import Settings
from config.sources import Fault
from config.values import Endpoint

CONTENT = {"content", "content_access_key", "content_secret_key"}
LISTENERS = {"smtp", "lmtp", "smtps", "http"}


def faults_together(settings: Settings, unsure: AbstractSet[str]) -> list[Fault]:
    """Find them; `unsure` are settings that have a fault of their own."""
    # A faulty setting has its default here: no second fault about a value that nobody gave.
    faults = [] if LISTENERS & unsure else _clashes(settings)
    faults += [] if {"smtps", "tls", "tls_certificate", "tls_key"} & unsure else _tls(settings)
    faults += [] if CONTENT & unsure else _content(settings)
    faults += [] if {"dmarc", "authentication"} & unsure else _dmarc(settings)
    faults += [] if any("smarthost" in key for key in unsure) else _smarthost(settings)
    return faults


def _smarthost(settings: Settings) -> list[Fault]:
    """Find faults of the smarthost: a password in clear, a name without a password."""
    found = []
    host = settings.smarthost
    inside = settings.webhook_allow_networks
    if host is not None and settings.smarthost_tls == "none" and not is_inside(host.host, inside):
        text = "none is for loopback and webhook_allow_networks only, by their addresses"
        found.append(Fault(settings.origins["smarthost_tls"], "smarthost_tls", text))
    for key, other in (
        ("smarthost_username", "smarthost_password"),
        ("smarthost_password", "smarthost_username"),
    ):
        if getattr(settings, key) and not getattr(settings, other):
            text = f"is of no use without {other}"
            found.append(Fault(settings.origins[key], key, text))
    return found


def _content(settings: Settings) -> list[Fault]:
    """Find the fault of a bucket without its keys."""
    if not settings.content.startswith("s3:"):
        return []
    return [
        Fault(settings.origins["content"], "content", f"{settings.content} needs {key}")
        for key in ("content_access_key", "content_secret_key")
        if not getattr(settings, key)
    ]


def _dmarc(settings: Settings) -> list[Fault]:
    """Find the fault that mail is to be refused for checks that are off."""
    if settings.dmarc == "note" or settings.authentication == "on":
        return []
    return [Fault(settings.origins["dmarc"], "dmarc", 'reject needs authentication = "on"')]


def _clashes(settings: Settings) -> list[Fault]:
    """Find faults of several settings together: one endpoint for two kinds of connections."""
    taken: dict[object, str] = {}
    faults = []
    for key in (one.name for one in fields(settings) if one.name in LISTENERS):
        for item in getattr(settings, key):
            if isinstance(item, Endpoint) and not item.port:
                continue
            # Without the mark `proxy:`: both bind the same address.
            address = listening.address_of(item)
            if address in taken:
                text = f"{address} is in {taken[address]} already"
                faults.append(Fault(settings.origins[key], key, text))
            taken[address] = key
            if isinstance(item, Endpoint) and item.proxy and not settings.trusted_proxies:
                text = f"{item} needs trusted_proxies: nobody else may send a PROXY header"
                faults.append(Fault(settings.origins[key], key, text))
    return faults


def _tls(settings: Settings) -> list[Fault]:
    """Find faults of the TLS settings: a certificate and its key come together."""
    needed = {
        "tls_certificate": settings.tls_key is not None,
        "tls_key": settings.tls_certificate is not None,
    }
    for key, because in needed.items():
        if because and getattr(settings, key) is None:
            (other,) = needed.keys() - {key}
            text = f"is missing; {other} is of no use without it"
            return [Fault(settings.origins[other], key, text)]
    if settings.tls_certificate is not None:
        return []
    text = "needs tls_certificate and tls_key"
    return [
        Fault(settings.origins[key], key, text)
        for key, wanted in (("tls", settings.tls == "required"), ("smtps", settings.smtps))
        if wanted
    ]
