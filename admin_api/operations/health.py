"""Health checks: alive, and ready to serve."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.http.responses import answer
from storage.errors import StoreUnavailable
from storage.maintenance.readiness import require_ready


async def healthz(call: Call) -> Response:
    """GET /healthz: alive."""
    return answer({"status": "ok"})


async def readyz(call: Call) -> Response:
    """GET /readyz: the store takes writes and is migrated, its directories are there.

    The process is not about to end.
    """
    if call.service.readiness.is_ending:
        raise StoreUnavailable("the process is about to end")
    await require_ready(call.database)
    fault = call.service.content.fault()
    if fault is not None:
        raise StoreUnavailable(fault.reason)
    call.service.readiness.asked()
    sending = call.service.sending
    state = "off" if not sending.is_on() else "on" if sending.paused() is None else "paused"
    return answer({"status": "ready", "sending": state})
