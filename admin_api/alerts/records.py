"""Records of alerts, as the API shows them."""

from __future__ import annotations

from admin_api.http.records import Record
from storage.alerts.alerts import Alert
from storage.clock import rfc3339
from storage.ids import to_text


def alert_record(alert: Alert) -> Record:
    """An alert; never its secret."""
    return {
        "alert_id": to_text("alr", alert.alert_id),
        "inbox_id": to_text("inb", alert.inbox_id),
        "events": alert.events,
        "delivery": {"type": alert.delivery, "target": alert.target},
        "filter": alert.filter,
        "enabled": alert.enabled,
        "status": alert.status,
        "last_error": alert.last_error,
        "created_by": alert.created_by,
        "created_at": rfc3339(alert.created_at),
        "updated_at": rfc3339(alert.updated_at),
    }
