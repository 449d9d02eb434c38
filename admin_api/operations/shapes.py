"""Response shapes of the health calls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import Answer, Described


class Health(Answer):
    """The state of the process."""

    status: Annotated[Literal["ok", "ready"], Field(examples=["ok"])]


class Readiness(Health):
    """Whether the process serves, and whether letters leave from it."""

    sending: Annotated[Literal["off", "on", "paused"], Field(examples=["on"])]


DESCRIBED: dict[str, Described] = {
    "GET /healthz": Described(Health),
    "GET /readyz": Described(Readiness),
    "GET /metrics": Described(media_type="text/plain", bearer=True, names=True),
    "GET /docs": Described(media_type="text/html"),
    "GET /v1/openapi.json": Described(),
}
