"""Smarthosts of single domains: letters from one go by its own, all others by the setting's.

The store holds host, TLS mode, user name and the path of the password's file on the machine that
sends; never the password.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from storage.database import Row, Tx

TlsMode = Literal["starttls", "implicit", "none"]


class DomainSmarthost(NamedTuple):
    """How the smarthost of a domain is reached; both words are empty without a sign-in."""

    host: str
    port: int
    tls: TlsMode
    username: str = ""
    password_file: str = ""


# Which letters `l` go by which smarthost: by any, by the setting's, or by one of these.
Via = DomainSmarthost | Literal["any", "setting"]
_OWN = "SELECT 1 FROM domain_smarthosts d WHERE d.tenant_id = l.tenant_id AND d.domain = l.domain"
_SAME = " AND ".join(f"d.{name} = :via_{name}" for name in DomainSmarthost._fields)


def goes_by(via: Via) -> tuple[str, dict[str, object]]:
    """Return the condition on letters `l`, and its parameters."""
    if via == "any":
        return "", {}
    if via == "setting":
        return f"AND NOT EXISTS ({_OWN})", {}
    return f"AND EXISTS ({_OWN} AND {_SAME})", {
        f"via_{name}": value for name, value in zip(DomainSmarthost._fields, via, strict=True)
    }


async def list_smarthosts(tx: Tx) -> list[DomainSmarthost]:
    """Return every smarthost that a domain has, each once."""
    rows = await tx.fetch_all(f"SELECT DISTINCT {_COLUMNS} FROM domain_smarthosts")
    return [_smarthost(row) for row in rows]


async def find_smarthost(tx: Tx, *, tenant_id: bytes, domain: str) -> DomainSmarthost | None:
    """Return the domain's own smarthost, if it has one."""
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM domain_smarthosts WHERE tenant_id = :tenant_id AND domain = :name",
        {"tenant_id": tenant_id, "name": domain},
    )
    return None if row is None else _smarthost(row)


async def set_smarthost(
    tx: Tx, *, tenant_id: bytes, domain: str, smarthost: DomainSmarthost | None
) -> None:
    """Give the domain its own smarthost, or with None the setting's again."""
    key: dict[str, object] = {"tenant_id": tenant_id, "domain": domain}
    await tx.execute(
        "DELETE FROM domain_smarthosts WHERE tenant_id = :tenant_id AND domain = :domain", key
    )
    if smarthost is not None:
        await tx.execute(
            f"""
            INSERT INTO domain_smarthosts (tenant_id, domain, {_COLUMNS})
            VALUES (:tenant_id, :domain, :host, :port, :tls, :username, :password_file)
            """,
            {**key, **smarthost._asdict()},
        )


_COLUMNS = ", ".join(DomainSmarthost._fields)


def _smarthost(row: Row) -> DomainSmarthost:
    return DomainSmarthost(
        row["host"], row["port"], row["tls"], row["username"], row["password_file"]
    )
