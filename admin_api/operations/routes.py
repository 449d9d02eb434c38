"""Routes of health, metrics and the docs page: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    PUBLIC,
)
from admin_api.call.router import Route
from admin_api.operations import docs_page, health, metrics

ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", health.healthz, PUBLIC),
    Route("GET", "/readyz", health.readyz, PUBLIC),
    Route("GET", "/metrics", metrics.show_metrics, PUBLIC),
    Route("GET", "/docs", docs_page.show_docs, PUBLIC),
    Route("GET", "/v1/openapi.json", docs_page.show_openapi, PUBLIC),
)
