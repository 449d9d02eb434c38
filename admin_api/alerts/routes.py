"""Routes of alerts, deliveries and the inbox webhook: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    CHANGE_ALERTS,
    READ_ALERTS,
)
from admin_api.alerts import alerts, event_permissions, payloads
from admin_api.alerts import deliveries as alert_deliveries
from admin_api.call.router import Route, Shown

_ALERTS = "/v1/alerts/"
_ALERT = _ALERTS + "{alert_id}/"
_DELIVERIES = _ALERT + "deliveries/"

ROUTES: tuple[Route, ...] = (
    Route("GET", _ALERTS, alerts.list_alerts, READ_ALERTS, parameters=alerts.Listing),
    Route(
        "POST",
        _ALERTS,
        alerts.create_alert,
        CHANGE_ALERTS,
        payload=payloads.AlertIn,
        permit=event_permissions.permit_types,
        shown=Shown("alert_id", "alert_id", alerts.show_alert),
    ),
    Route("GET", _ALERT, alerts.show_alert, READ_ALERTS, locate=alerts.locate),
    Route(
        "PATCH",
        _ALERT,
        alerts.change_alert,
        CHANGE_ALERTS,
        payload=payloads.AlertChange,
        permit=event_permissions.permit_types,
        locate=alerts.locate_to_change,
    ),
    Route("DELETE", _ALERT, alerts.delete_alert, CHANGE_ALERTS, locate=alerts.locate),
    Route(
        "POST", _ALERT + "webhook-secret/", alerts.renew_secret, CHANGE_ALERTS, locate=alerts.locate
    ),
    Route(
        "GET",
        _DELIVERIES,
        alert_deliveries.list_deliveries,
        READ_ALERTS,
        parameters=alert_deliveries.Listing,
        locate=alerts.locate,
    ),
    Route(
        "POST",
        _DELIVERIES + "{delivery_id}/redeliver/",
        alert_deliveries.redeliver,
        CHANGE_ALERTS,
        locate=alert_deliveries.locate_delivery,
    ),
    Route(
        "POST",
        _ALERT + "test/",
        alert_deliveries.test_alert,
        CHANGE_ALERTS,
        locate=alerts.locate,
        waits=True,
    ),
)
