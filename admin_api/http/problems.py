"""Problem documents (RFC 9457): one table from an exception to status, code and body.

- `code` is stable and snake_case; `detail` is a fixed sentence, so that an object of another tenant
  and one that does not exist get the same bytes.
- An unexpected exception is 500 without any detail; the log has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from starlette.responses import Response

from admin_api.dns.domain_check import DnsUnavailable
from admin_api.http.strict_json import MalformedJson
from storage.errors import Conflict, FieldFault, Invalid, NotFound, StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
DNS_RETRY_SECONDS = 30
# As RFC 9110 has them; Python has these since 3.13.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long"}


class Problem(Exception):
    """A refusal, raised anywhere in a call and answered as a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[FieldFault] = (),
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.faults = faults
        self.more = dict(more or {})


def phrase_of(status: int) -> str:
    """Return the reason phrase of a status, the same with every Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def unauthorized() -> Problem:
    """Build 401: no credential, or one that is unknown, expired, paused or revoked, all alike."""
    return Problem(
        401,
        "unauthorized",
        "A valid credential is required.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def not_found() -> Problem:
    """Build 404: missing, another tenant's, or not visible, all alike."""
    return Problem(404, "not_found", "Not found, or not visible to this credential.")


def unknown_path() -> Problem:
    """No call has this path, whoever asks."""
    return Problem(404, "not_found", "No call has this path; /docs/ lists them all.")


def rate_limited(seconds: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Build 429; the next call is allowed in `seconds`. `headers` describe the limit."""
    return Problem(
        429,
        "rate_limited",
        "Too many calls; try again later.",
        headers={"Retry-After": str(max(1, seconds)), **(headers or {})},
    )


def thread_moved(message_id: str) -> Problem:
    """Build 409: the thread has a newer message than the letter's author had read."""
    return Problem(
        409,
        "thread_moved",
        "The thread has a newer message than the one that was read.",
        more={"last_message_id": message_id},
    )


def problem_of(error: Exception) -> Problem:
    """Map an exception to its problem; the one table of the HTTP edge."""
    match error:
        case Problem():
            return error
        case MalformedJson():
            return Problem(400, "malformed_json", error.detail, faults=error.faults)
        # Its own text is dropped: it says which of missing, foreign and invisible it was.
        case NotFound():
            return not_found()
        case Invalid():
            return _invalid(error)
        case Conflict():
            return Problem(409, error.code, error.detail)
        case DnsUnavailable():
            return Problem(
                503,
                "dns_unavailable",
                "The DNS does not answer; nothing was changed.",
                headers={"Retry-After": str(DNS_RETRY_SECONDS)},
            )
        case StoreUnavailable():
            return Problem(
                503,
                "store_unavailable",
                "The store is out of reach; nothing was half done.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
    # The text of an unexpected exception may hold a path, an address or a secret.
    return Problem(500, "internal_error", "Internal error; the log has the details.")


def _invalid(error: Invalid) -> Problem:
    """Take the code of the faults when they share one, else the common one."""
    codes = {fault.code for fault in error.faults}
    code = codes.pop() if len(codes) == 1 else None
    return Problem(400, code or "invalid_fields", "Some fields are not valid.", faults=error.faults)


def response_of(problem: Problem) -> Response:
    """Make a response of the problem."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": phrase_of(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.more,
    }
    if problem.faults:
        body["errors"] = [
            {"field": fault.field, "message": fault.message} for fault in problem.faults
        ]
    return Response(
        orjson.dumps(body), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )
