"""Descriptions of the routes for the OpenAPI document, joined from the wings.

Every route has its entry; a test holds that. `conflicts`, `refusals` and `faults` are the codes of
409, 403 and 400 that the handler itself gives; `body` is a request that a test sends as it stands
here, `takes` the media type of one that is not JSON. `names`: a parameter may refer to nothing;
`dns`: the call queries the DNS; `bearer`: the operator's token may be required.
"""

from __future__ import annotations

from admin_api.accounts import shapes as accounts
from admin_api.alerts import shapes as alerts
from admin_api.contacts import shapes as contacts
from admin_api.directory import shapes as directory
from admin_api.drafts import shapes as drafts
from admin_api.events import shapes as events
from admin_api.http.shapes import Described
from admin_api.mailbox import shapes as mailbox
from admin_api.operations import shapes as operations
from admin_api.outbound import shapes as outbound
from admin_api.teamwork import shapes as teamwork

DESCRIBED: dict[str, Described] = {
    **accounts.DESCRIBED,
    **directory.DESCRIBED,
    **mailbox.DESCRIBED,
    **teamwork.DESCRIBED,
    **drafts.DESCRIBED,
    **outbound.DESCRIBED,
    **contacts.DESCRIBED,
    **alerts.DESCRIBED,
    **events.DESCRIBED,
    **operations.DESCRIBED,
}
