"""The one route table, joined from the wings; router, OpenAPI document and tests read it.

Nothing else declares a route. `tests/admin_api/test_routes.py` has a row for each.
"""

from __future__ import annotations

from admin_api.accounts import routes as accounts
from admin_api.alerts import routes as alerts
from admin_api.call.router import Route, of_tenant
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
    # They change rows of the caller's tenant alone, and nothing by which mail finds its way.
    *of_tenant(mailbox.ROUTES),
    *of_tenant(teamwork.ROUTES),
    *of_tenant(drafts.ROUTES),
    *of_tenant(outbound.ROUTES),
    *of_tenant(contacts.ROUTES),
    *of_tenant(alerts.ROUTES),
    *events.ROUTES,
    *operations.ROUTES,
)
