"""The one route table, joined from the wings; router, OpenAPI document and tests read it.

Nothing else declares a route. `tests/admin_api/test_routes.py` has a row for each.
"""

from __future__ import annotations

from admin_api.accounts import routes as accounts
from admin_api.alerts import routes as alerts
from admin_api.call.router import Route
from admin_api.contacts import routes as contacts
from admin_api.directory import routes as directory
from admin_api.drafts import routes as drafts
from admin_api.events import routes as events
from admin_api.mailbox import routes as mailbox
from admin_api.operations import routes as operations
from admin_api.outbound import routes as outbound
from admin_api.teamwork import routes as teamwork

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *directory.ROUTES,
    *mailbox.ROUTES,
    *teamwork.ROUTES,
    *drafts.ROUTES,
    *outbound.ROUTES,
    *contacts.ROUTES,
    *alerts.ROUTES,
    *events.ROUTES,
    *operations.ROUTES,
)
