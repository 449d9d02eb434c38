"""The servers that the setting `store` names: one, or several of which one takes writes.

- Of several the first that takes writes is used (libpq's `target_session_attrs`, which is
  `read-write` unless the URL says `primary`): a standby, or a server whose
  `default_transaction_read_only` is on, is passed over.
- Each is given `CONNECT_WITHIN` seconds, or less where there are several: one whose machine is
  gone must not use up the time in which another could serve.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

CONNECT_WITHIN = 3
_CONNECT_TO_ONE_OF_SEVERAL = 2  # the least that libpq takes


def options_of(store: str) -> dict[str, Any]:
    """The parameters of a connection to the URL `store`, beside those it names.

    A URL that libpq does not take gets nothing: who connects tells of it.
    """
    try:
        named = conninfo_to_dict(store)
    except psycopg.ProgrammingError:
        return {}
    several = max(str(named.get(key) or "").count(",") for key in ("host", "hostaddr"))
    if not several:
        return {"connect_timeout": CONNECT_WITHIN}
    wanted = named.get("target_session_attrs") or "read-write"
    return {"connect_timeout": _CONNECT_TO_ONE_OF_SEVERAL, "target_session_attrs": wanted}
