"""Webhook signatures by Standard Webhooks (https://www.standardwebhooks.com): symmetric, `v1`.

The signed text is `id.timestamp.body`, by HMAC-SHA256 with the secret's octets; of several secrets
each gives one signature, with a space between them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def signed_headers(
    secrets: Sequence[bytes], *, name: str, seconds: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of a call at the time `seconds` since 1970; `name` is its id."""
    # With the time: so a receiver can refuse a call that was recorded and sent again.
    content = f"{name}.{seconds}.".encode() + body
    signatures = [
        base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": name,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
