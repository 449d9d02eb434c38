"""The live stream of a browser: `/console/live/?inbox=…&inbox=…`.

- The edge has read the cookie: the call's caller is a person with a session of the page.
- One browser has one stream, with at most 20 inboxes of its user (`admin_api.events.page_stream`).
- `?acting=…`: of another's inbox the API's own stream, of new mail only; on record once.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import response_of
from admin_api.console.visit import Visit
from admin_api.events.page_stream import page_stream


async def show_stream(call: Call, visit: Visit) -> Response:
    """GET /console/live/. Raises Invalid for too many inboxes, Problem 429 for too many streams."""
    if acting := visit.query.get("acting"):
        types = {"types": "message.received"}
        return await response_of(call, "GET", "/v1/events/stream/", inbox=acting, query=types)
    return await page_stream(call, visit.query.every("inbox"), visit.frames)
