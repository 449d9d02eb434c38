"""Access rules as values, and the one check that decides on 403.

- A route declares one `Access`; nothing else decides on 403.
- An agent token needs one of the route's scopes and is never admin, whatever it carries. A session
  needs no scopes; its user's role and inboxes decide.
- The order of refusals is fixed: kind of credential, scope, plan, governance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from admin_api.access.credentials import Agent, Principal
from admin_api.http.problems import Problem
from storage.accounts.tenants import GOVERNANCE, PLANS, reaches

ADMIN_ROLES = ("owner", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rule of one route.

    `caller` is the kind of caller allowed; a token needs one of `scopes`; `acts`: the call belongs
    to an inbox, which a session must name.
    """

    caller: Literal["anybody", "any", "session", "admin"] = "any"
    scopes: tuple[str, ...] = ()
    plan: str = "free"
    governance: str = "none"
    acts: bool = False


PUBLIC = Access(caller="anybody")
SIGNED_IN = Access()
SESSION = Access(caller="session")
ADMIN = Access(caller="admin")
READ_MAIL = Access(scopes=("email:read",), acts=True)
CHANGE_MAIL = Access(scopes=("email:write",), acts=True)
SEND_MAIL = Access(scopes=("email:send",), acts=True)
# A file may go into a letter, or into a draft.
UPLOAD_FILES = Access(scopes=("email:send", "email:write"), acts=True)
READ_APPROVALS = Access(scopes=("approvals:read",), acts=True)
# The inbox is that of the approval.
SHOW_APPROVAL = Access(scopes=("approvals:read",))
RESOLVE_APPROVAL = Access(caller="session")
# The inbox is in the path.
COUNT_MAIL = Access(scopes=("email:read",))
READ_NOTES = Access(scopes=("email:read",), plan="startup", acts=True)
CHANGE_NOTES = Access(scopes=("email:write",), plan="startup", acts=True)
READ_AGENDA = Access(scopes=("task:read", "email:read"), acts=True)
READ_TASKS = Access(scopes=("task:read",), acts=True)
CHANGE_TASKS = Access(scopes=("task:write",), acts=True)
# With `email:write` alone a token may complete tasks of others, and nothing else.
COMPLETE_TASKS = Access(scopes=("task:write", "email:write"), acts=True)
READ_TEMPLATES = Access(scopes=("email:read",), plan="startup")
# A session names its inbox only when it renders for a thread.
RENDER_TEMPLATES = Access(scopes=("email:read",), plan="startup", acts=True)
CHANGE_TEMPLATES = Access(caller="admin", plan="startup")
READ_CONTACTS = Access(scopes=("contacts:read",), acts=True)
CHANGE_CONTACTS = Access(scopes=("contacts:write",), acts=True)
READ_SHARES = Access(scopes=("contacts:read",), plan="startup", acts=True)
CHANGE_SHARES = Access(scopes=("contacts:write",), plan="startup", acts=True)
# Each event type needs more: see `admin_api.access.event_access`.
READ_EVENTS = Access(
    scopes=("email:read", "contacts:read", "task:read", "approvals:read"), acts=True
)
READ_CONTEXT = Access(scopes=("context:read",), acts=True)
READ_LISTS = Access(scopes=("email:read",), governance="token_controls")
READ_ALERTS = Access(scopes=("alerts:read",), acts=True)
CHANGE_ALERTS = Access(scopes=("alerts:write",), acts=True)
CHANGE_INBOX = Access(scopes=("alerts:write",))
CHANGE_LISTS = Access(caller="admin", governance="token_controls")


def is_admin(principal: Principal) -> bool:
    """Whether it is an owner or admin by session; an agent token never is."""
    # Tokens lie in files of programs: who finds one there must not be able to make users or tokens.
    return not isinstance(principal, Agent) and principal.user.role in ADMIN_ROLES


def check(access: Access, principal: Principal) -> None:
    """Raises Problem 403 for the first rule that `principal` does not meet."""
    # In this order, so that nobody is told to buy a plan for a call that they may never make.
    agent = principal if isinstance(principal, Agent) else None
    if access.caller == "admin" and not is_admin(principal):
        raise admin_required()
    if access.caller == "session" and agent:
        raise Problem(403, "admin_required", "Only a signed-in user may do this.")
    if agent and access.scopes and not set(access.scopes) & set(agent.token.scopes):
        raise missing_scope(*access.scopes)
    tenant = principal.tenant
    if not reaches(PLANS, tenant.plan, access.plan):
        raise Problem(403, "plan_required", f"This needs the plan {access.plan} or a higher one.")
    if not reaches(GOVERNANCE, tenant.governance, access.governance):
        raise Problem(
            403, "governance_required", f"This needs the governance {access.governance} or higher."
        )


def missing_scope(*scopes: str) -> Problem:
    """Build the refusal of a token that carries none of `scopes`."""
    return Problem(403, "missing_scope", f"This needs the scope {' or '.join(scopes)}.")


def not_author() -> Problem:
    """Build the refusal to change an object that somebody else made."""
    return Problem(403, "not_author", "Only its author may change this.")


def admin_required() -> Problem:
    """Build the refusal of a caller without the session of an owner or admin."""
    return Problem(403, "admin_required", "Only an owner or admin may do this, signed in.")


def inbox_mismatch() -> Problem:
    """Build the refusal of any inbox but the token's own, whether or not it exists."""
    return Problem(403, "inbox_mismatch", "This token belongs to another inbox.")
