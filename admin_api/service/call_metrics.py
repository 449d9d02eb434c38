"""Metrics of API calls, and the sources of all other metrics of the process.

- Calls are counted by the route's template, never by the path: a stranger's paths make no new
  series. A path without a route counts as `none`, a method without one as `other`.
- A call lasts until its response begins, so that a live stream is no slow call.
- prometheus-client, which writes the text, is imported at the first scrape.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.logs import event

if TYPE_CHECKING:
    from prometheus_client.core import Metric

TEMPLATE = "postroom.template"
_REQUEST_ID = b"x-request-id"
_POLLED = {"/healthz", "/readyz", "/metrics"}

logger = logging.getLogger("postroom.http")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Source = Callable[[], Coroutine[Any, Any, Iterable["Metric"]]]


class CallMetrics:
    """The calls of one process, and `sources` of further metrics."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[tuple[str, str], list[float]] = {}
        self.sources: list[Source] = [self._of_calls]

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a call whose response has begun."""
        # Every new label value is a series that is kept until the process ends.
        key = (route, method if method in _METHODS else "other", status)
        self._calls[key] = self._calls.get(key, 0) + 1
        buckets = self._seconds.setdefault(key[:2], [0.0] * (len(_SECONDS) + 2))
        buckets[bisect_left(_SECONDS, seconds)] += 1
        buckets[-1] += seconds

    async def text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        families: list[Metric] = []
        for source in self.sources:
            families += await source()
        registry = CollectorRegistry()
        registry.register(_Read(families))
        return generate_latest(registry)

    async def _of_calls(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        calls = CounterMetricFamily(
            "postroom_http_requests",
            "Calls of the API by route template, method and status.",
            labels=("route", "method", "status"),
        )
        for (route, method, status), count in self._calls.items():
            calls.add_metric((route, method, str(status)), count)
        seconds = HistogramMetricFamily(
            "postroom_http_request_seconds",
            "Seconds until the response of a call began.",
            labels=("route", "method"),
        )
        for labels, buckets in self._seconds.items():
            seconds.add_metric(labels, cumulated(_SECONDS, buckets[:-1]), buckets[-1])
        return calls, seconds


def cumulated(bounds: Iterable[float], counts: Iterable[float]) -> list[tuple[str, float]]:
    """Return the cumulative buckets of a histogram; the last one has no bound."""
    found, total = [], 0.0
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        total += count
        found.append((bound, total))
    return found


class _Read:
    """A collector of metrics that were read already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class Measured:
    """The application `inner`, with every call counted in `measures` and a line in the log.

    `inner` leaves the route's template in the scope.
    """

    def __init__(self, inner: ASGIApp, measures: CallMetrics) -> None:
        self._inner = inner
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        began = time.monotonic()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken = time.monotonic() - began
                route = scope.get(TEMPLATE, "none")
                self._measures.answered(route, scope["method"], message["status"], taken)
                _log(scope, route, message, taken)
            await send(message)

        await self._inner(scope, receive, send_counted)


def _log(scope: Scope, route: str, start: Message, seconds: float) -> None:
    """One line a call: the template of its path, since the path itself names what is private."""
    level = logging.DEBUG if route in _POLLED else logging.INFO
    if not logger.isEnabledFor(level):
        return
    request_id = next((value for name, value in start["headers"] if name == _REQUEST_ID), None)
    client = scope.get("client")
    event(
        logger,
        "called",
        level=level,
        request=request_id,
        method=scope["method"],
        route=route,
        status=start["status"],
        milliseconds=round(seconds * 1000),
        client=client[0] if client else None,
    )
