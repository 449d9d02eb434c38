"""Domain names as they compare: A-labels in lower case without the last dot.

Underscores are taken: selectors and service names have them. RFC 5890, RFC 8616.
"""

from __future__ import annotations

import re

from storage.address import MAX_DOMAIN, canonical_domain

_NAME = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)


def domain_name(text: str) -> str | None:
    """Return the name as it compares; None when it cannot be one."""
    name = text.strip().removesuffix(".").lower()
    if not name.isascii():
        try:
            return canonical_domain(name)
        except ValueError:
            return None
    return name if len(name) <= MAX_DOMAIN and _NAME.fullmatch(name) else None


def is_within(name: str, domain: str) -> bool:
    """Whether a name is a domain or lies below it."""
    return name == domain or name.endswith("." + domain)
