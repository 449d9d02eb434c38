"""Health checks: alive, and ready to serve."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.http.responses import answer
from storage.errors import StoreUnavailable
from storage.migrations import STEPS, version


async def healthz(call: Call) -> Response:
    """GET /healthz: alive."""
    return answer({"status": "ok"})


async def readyz(call: Call) -> Response:
    """GET /readyz: the store is reachable and migrated, its directories are there."""
    if await version(call.database) != len(STEPS):
        raise StoreUnavailable("the store is not at this release's version")
    fault = call.service.content.fault()
    if fault is not None:
        raise StoreUnavailable(fault.reason)
    sending = call.service.sending
    state = "off" if not sending.is_on else "on" if sending.paused() is None else "paused"
    return answer({"status": "ready", "sending": state})
