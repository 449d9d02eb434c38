"""Refusals of the HTTP edge: requests that no call ever sees, and connections without a place.

A refusal is a problem document as every other (RFC 9457), and ends its connection.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from admin_api.http.problems import Problem, phrase_of, response_of
from admin_api.http.responses import common_headers
from config.logs import event
from gateway.http_edge.http_limits import FIELDS_MAX, HEAD_MAX

logger = logging.getLogger("postroom.http")

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)


def malformed() -> Problem:
    """The request cannot be parsed."""
    return Problem(400, "malformed_request", "This is not an HTTP request.")


def url_too_long() -> Problem:
    """The request line alone fills the header."""
    return Problem(414, "url_too_long", f"URL and header have at most {HEAD_MAX} octets.")


def header_too_large() -> Problem:
    """Too many octets or fields, in header or trailer."""
    return Problem(
        431,
        "header_too_large",
        f"URL, header and trailer have at most {HEAD_MAX} octets and {FIELDS_MAX} fields.",
    )


def too_slow() -> Problem:
    """The rest of a request does not come."""
    return Problem(408, "request_timeout", "The request did not come in time.")


def too_many_connections() -> Problem:
    """This client has, or all together have, as many connections as there may be."""
    return Problem(
        503,
        "too_many_connections",
        "Too many connections; try again later.",
        headers={"Retry-After": "2"},
    )


def busy() -> Response:
    """The same for one request of a proxy's client; the proxy's connection goes on."""
    return _response(too_many_connections())


def _response(problem: Problem) -> Response:
    response = response_of(problem)
    response.headers.update(common_headers())
    return response


def header_problem(
    version: str, fields: Sequence[tuple[bytes, bytes]], *, upgrades: bool
) -> Problem | None:
    """Return the problem of a header as a whole (RFC 9112 3.2, RFC 9110 11.6.2), or None.

    The parser takes a body behind an `Upgrade` for another protocol, and would find requests in it.
    """
    if version not in {"1.0", "1.1"}:
        return Problem(400, "malformed_request", "This server speaks HTTP/1.1.")
    names = [name for name, _ in fields]
    hosts = [value for name, value in fields if name == b"host"]
    if not hosts and version == "1.1":
        return Problem(400, "malformed_request", "A Host field is required.")
    if len(hosts) > 1 or not all(_HOST.fullmatch(value) for value in hosts):
        return Problem(400, "malformed_request", "Host is there more than once, or is no host.")
    # A proxy may have checked the one credential, and we would take the other.
    if names.count(b"authorization") > 1:
        return Problem(400, "malformed_request", "Authorization is there more than once.")
    # Of any other row of codings a proxy may have read another body.
    codings = [value.strip().lower() for name, value in fields if name == b"transfer-encoding"]
    if codings not in ([], [b"chunked"]):
        return Problem(400, "malformed_request", "Transfer-Encoding can be chunked only.")
    if upgrades and (b"content-length" in names or b"transfer-encoding" in names):
        return Problem(400, "malformed_request", "A body and an Upgrade do not go together.")
    return None


def refusal(problem: Problem) -> bytes:
    """The response to a request that is not served, as octets."""
    response = _response(problem)
    response.headers["Connection"] = "close"
    fields = [b"%s: %s\r\n" % field for field in response.raw_headers]
    line = f"HTTP/1.1 {problem.status} {phrase_of(problem.status)}\r\n".encode()
    event(
        logger,
        "http_refused",
        level=logging.DEBUG if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else logging.INFO,
        status=problem.status,
        code=problem.code,
        request=response.headers["X-Request-Id"],
    )
    return b"".join([line, *fields, b"\r\n", bytes(response.body)])
