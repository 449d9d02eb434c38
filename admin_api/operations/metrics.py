"""Metrics for the operator's Prometheus. They name no tenant, and no address.

They may be read with the configured token, and from this machine itself: by a loopback peer whose
request carries no forwarding header, which a proxy on this machine would add.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.http.problems import not_found, unauthorized
from admin_api.service.call_metrics import CONTENT_TYPE

# And every name that begins with `x-forwarded`.
_FORWARDING = frozenset(
    {
        "cdn-loop",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
    }
)


async def show_metrics(call: Call) -> Response:
    """GET /metrics: Prometheus text.

    Raises Problem 401 without the token; 404 from elsewhere when no token is configured.
    """
    token = call.service.settings.metrics_token
    if not (_brings(call.request, token) or _is_local(call.request)):
        # 404 without a token: there is no credential that would help.
        raise unauthorized() if token else not_found()
    return Response(await call.service.measures.text(), headers={"Content-Type": CONTENT_TYPE})


def _brings(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # In constant time: `==` would tell, octet by octet, how much of a guess is right.
    same = hmac.compare_digest(given.strip().encode("latin-1"), token.encode())
    # Without a configured token an empty one would be equal to it.
    return bool(token) and scheme.lower() == "bearer" and same


def _is_local(request: Request) -> bool:
    # A proxy on this machine is a loopback peer, too, and brings strangers.
    if request.client is None or any(map(_is_forwarding, request.headers)):
        return False
    try:
        peer = ip_address(request.client.host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return bool((mapped or peer).is_loopback)


def _is_forwarding(name: str) -> bool:
    """Whether a proxy, or a network in front of one, adds this header."""
    return name in _FORWARDING or name.startswith("x-forwarded")
