"""SQLSTATEs: which errors of a server are the machine's, and which are faults of ours.

- An error of the machine becomes StoreUnavailable, StoreFull or StoreDamaged: 451 or 452 to mail,
  503 to calls, and the same again later. Everything else stays what it is: a fault in our SQL or
  in its data is no reason to wait.
- A connection that could not be made, or was lost, has no SQLSTATE in psycopg (an OperationalError;
  the server's own, as 53300 for "too many clients", is in its text only).

The codes are those of PostgreSQL's Appendix A.
"""

from __future__ import annotations

import psycopg

from storage.errors import StoreDamaged, StoreFull, StoreUnavailable

_FULL = {"53100"}
_MAY_NOT = "42501"
_DAMAGED = {"XX001", "XX002"}
_AWAY = {
    "25006",  # read only: a standby, or default_transaction_read_only
    "25P03",  # a session that idled in its transaction was ended
    "25P04",  # a transaction that took too long was ended
    "55P03",  # a lock that was not to be had in time
}
# The part of the server that refuses a row of another tenant (`storage.tenant_wall`). Its SQLSTATE
# is that of a role which may not write; but this one is a fault of ours.
_WALL = "ExecWithCheckOptions"
_AWAY_CLASSES = {
    "08",  # connections; a pooler's own refusals, too
    "28",  # the role may not sign in
    "3D",  # the database is not there
    "40",  # rolled back: a deadlock, a conflict with recovery
    "53",  # no memory, no connection left
    "57",  # shut down, starting up, canceled by an operator
    "58",  # an error of the system around it
}


def translated(error: psycopg.Error) -> Exception:
    """The error as ours when it is the machine's, else the error itself."""
    state = error.sqlstate or ""
    if error.diag.source_function == _WALL:
        return error
    text = " ".join(str(error).split())
    if state in _FULL:
        return StoreFull(text)
    if state in _DAMAGED:
        return StoreDamaged(text)
    if state == _MAY_NOT:
        told = error.diag.message_primary or text
        return StoreUnavailable(f"{told}; the role in the URL has to own the tables of the store")
    if state in _AWAY or state[:2] in _AWAY_CLASSES:
        return StoreUnavailable(text)
    lost = not state and isinstance(error, psycopg.OperationalError)
    return StoreUnavailable(text) if lost else error
