"""Routes of the event catalogue, list and stream: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    PUBLIC,
    READ_EVENTS,
)
from admin_api.call.router import Route
from admin_api.events import events, resume

_EVENTS = "/v1/events/"

ROUTES: tuple[Route, ...] = (
    Route("GET", _EVENTS + "types/", events.list_event_types, PUBLIC),
    Route(
        "GET",
        _EVENTS,
        events.list_events,
        READ_EVENTS,
        parameters=events.Listing,
        permit=events.permit_types,
        locate=resume.locate_listing,
    ),
    Route(
        "GET",
        _EVENTS + "stream/",
        events.stream_events,
        READ_EVENTS,
        parameters=events.Live,
        permit=events.permit_types,
        locate=resume.locate_stream,
    ),
)
