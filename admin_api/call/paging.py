"""Pages: opaque cursors, and the Link header of bare arrays.

- A cursor encodes the sort key of the last entry; a client can only send it back.
- A bare array without `limit` comes whole up to 1,000 entries.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.http.payload import Limit, Parameters, checked
from admin_api.http.responses import answer
from storage.errors import FieldFault, Invalid
from storage.keyset import Keyset

WHOLE = 1000
_ID_LENGTH = 16

T = TypeVar("T")


def cursor_of(position: bytes) -> str:
    """Return the cursor of `position`."""
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def position_of(cursor: str | None, length: int = _ID_LENGTH) -> bytes | None:
    """Return the position of a cursor, of `length` octets. Raises Invalid on `cursor`."""
    if cursor is None:
        return None
    try:
        position = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except ValueError:
        position = b""
    if len(position) != length:
        raise Invalid(FieldFault("cursor", "is not a cursor of this list"))
    return position


Cursor = Annotated[str, checked(position_of)]


class Page(Parameters):
    """The page of a bare array to show."""

    limit: Limit | None = None
    cursor: Cursor | None = None

    @property
    def length(self) -> int:
        return self.limit or WHOLE

    def span(self) -> Keyset:
        """The keyset range to fetch: one more than is shown tells whether there is more.

        Raises Invalid on `cursor`.
        """
        return Keyset(position_of(self.cursor), self.length + 1)


def page_answer(
    call: Call,
    page: Page,
    found: Sequence[T],
    record: Callable[[T], object],
    position: Callable[[T], bytes],
) -> Response:
    """Answer the first `page.length` of `found` as a bare array; with a Link if there are more."""
    shown = found[: page.length]
    response = answer([record(one) for one in shown])
    if len(found) > len(shown):
        query = dict(call.request.query_params)
        # A whole list has no `limit`, but its next page needs one, of at most 200.
        query |= {"limit": str(min(page.length, 200)), "cursor": cursor_of(position(shown[-1]))}
        path = call.request.scope["raw_path"].decode("ascii")
        response.headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'
    return response


def cursor_answer(
    found: Sequence[T],
    limit: int,
    record: Callable[[T], object],
    position: Callable[[T], bytes],
) -> Response:
    """Answer the first `limit` of `found`, with a cursor when there are more."""
    shown = found[:limit]
    more = cursor_of(position(shown[-1])) if len(found) > len(shown) else None
    return answer({"results": [record(one) for one in shown], "cursor": more})
