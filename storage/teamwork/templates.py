"""Templates: texts with `{placeholders}` that a whole tenant shares.

- A placeholder is `{name}`: an ASCII letter or `_`, then letters, digits and `_`, 64 at most. One
  that is itself directly enclosed in braces (`{{x}}`) is not a placeholder.
- Rendering is one pass over the text by one expression: a value that holds braces is not expanded
  again, and nothing but these names has a meaning. A name without a value stays as it is.
- The length of the result is computed before it is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import FieldFault, Invalid, NotFound

MAX_RENDERED = 1024 * 1024
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACEHOLDER = re.compile(r"\{(" + NAME.pattern + r")\}")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Template:
    """A stored template; `declared` is None when no variables were declared."""

    template_id: bytes
    name: str
    subject: str
    body: str
    declared: tuple[str, ...] | None
    created_by: bytes | None
    created_at: int
    updated_at: int

    @property
    def variables(self) -> tuple[str, ...]:
        """The declared placeholders, else those found in subject and body, in their order."""
        if self.declared is not None:
            return self.declared
        return tuple(dict.fromkeys([*placeholders(self.subject), *placeholders(self.body)]))


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered template."""

    subject: str
    body: str


def placeholders(text: str) -> Iterator[str]:
    """Return the names of the placeholders of `text`, in their order, with repetitions."""
    return (found[1] for found in _found(text))


def _found(text: str) -> Iterator[re.Match[str]]:
    for found in _PLACEHOLDER.finditer(text):
        enclosed = text.endswith("{", 0, found.start()) and text.startswith("}", found.end())
        if not enclosed:
            yield found


def render(template: Template, context: Mapping[str, str]) -> Rendered:
    """Fill in `context`. Raises Invalid on it when the result has more than 1 MiB (UTF-8)."""
    subject, body = _pieces(template.subject, context), _pieces(template.body, context)
    # Measured before joining: one value may stand in a text thousands of times.
    if _octets(subject) + _octets(body) > MAX_RENDERED:
        fault = FieldFault("context", f"makes more than {MAX_RENDERED} octets")
        raise Invalid(fault)
    # A line end in a subject would begin another header field.
    return Rendered(_LINE_END.sub(" ", "".join(subject)), "".join(body))


def fill(text: str, context: Mapping[str, str]) -> str:
    """Fill in one short text, without measuring it first."""
    return "".join(_pieces(text, context))


def _pieces(text: str, context: Mapping[str, str]) -> list[str]:
    pieces = []
    end = 0
    for found in _found(text):
        # Values are not scanned again, so a value with braces stays text.
        pieces += [text[end : found.start()], context.get(found[1], found[0])]
        end = found.end()
    return [*pieces, text[end:]]


def _octets(pieces: Sequence[str]) -> int:
    sizes: dict[str, int] = {}
    return sum(sizes.get(piece) or sizes.setdefault(piece, len(piece.encode())) for piece in pieces)


async def create_template(
    tx: Tx,
    *,
    tenant_id: bytes,
    name: str,
    subject: str,
    body: str,
    declared: Sequence[str] | None,
    created_by: bytes | None,
    now: int,
) -> Template:
    """Make a template."""
    template = Template(tx.new_id(), name, subject, body, _distinct(declared), created_by, now, now)
    await tx.execute(
        """
        INSERT INTO templates
            (template_id, tenant_id, name, subject, body, variables, created_by, created_at,
             updated_at)
        VALUES
            (:template_id, :tenant_id, :name, :subject, :body, :variables, :created_by, :now, :now)
        """,
        {
            "template_id": template.template_id,
            "tenant_id": tenant_id,
            "name": name,
            "subject": subject,
            "body": body,
            "variables": _packed(template.declared),
            "created_by": created_by,
            "now": now,
        },
    )
    return template


async def update_template(
    tx: Tx,
    *,
    tenant_id: bytes,
    template_id: bytes,
    name: str | None = None,
    subject: str | None = None,
    body: str | None = None,
    declared: Sequence[str] | None = None,
    now: int,
) -> Template:
    """Change the given values; None leaves a value as it is. Raises NotFound."""
    await tx.execute(
        """
        UPDATE templates
        SET name = COALESCE(:name, name), subject = COALESCE(:subject, subject),
            body = COALESCE(:body, body), variables = COALESCE(:variables, variables),
            updated_at = :now
        WHERE tenant_id = :tenant_id AND template_id = :template_id
        """,
        {
            "tenant_id": tenant_id,
            "template_id": template_id,
            "name": name,
            "subject": subject,
            "body": body,
            "variables": _packed(_distinct(declared)),
            "now": now,
        },
    )
    return await find_template(tx, tenant_id=tenant_id, template_id=template_id)


async def delete_template(tx: Tx, *, tenant_id: bytes, template_id: bytes) -> None:
    """Raises NotFound."""
    deleted = await tx.execute(
        "DELETE FROM templates WHERE tenant_id = :tenant_id AND template_id = :template_id",
        {"tenant_id": tenant_id, "template_id": template_id},
    )
    if not deleted:
        raise NotFound("no such template")


async def find_template(tx: Tx, *, tenant_id: bytes, template_id: bytes) -> Template:
    """Raises NotFound."""
    row = await tx.fetch_one(
        _TEMPLATE + " AND template_id = :template_id",
        {"tenant_id": tenant_id, "template_id": template_id},
    )
    if row is None:
        raise NotFound("no such template")
    return _template(row)


async def list_templates(
    tx: Tx, *, tenant_id: bytes, after: bytes | None, limit: int
) -> list[Template]:
    """Return the tenant's templates, oldest first, made after the template `after`."""
    rows = await tx.fetch_all(
        _TEMPLATE + " AND template_id > :after ORDER BY template_id LIMIT :limit",
        {"tenant_id": tenant_id, "after": after or b"", "limit": limit},
    )
    return [_template(row) for row in rows]


_TEMPLATE = """
    SELECT template_id, name, subject, body, variables, created_by, created_at, updated_at
    FROM templates WHERE tenant_id = :tenant_id
"""


def _template(row: Row) -> Template:
    declared = None if row["variables"] is None else tuple(json.loads(row["variables"]))
    created_by = None if row["created_by"] is None else bytes(row["created_by"])
    return Template(
        bytes(row["template_id"]),
        row["name"],
        row["subject"],
        row["body"],
        declared,
        created_by,
        row["created_at"],
        row["updated_at"],
    )


def _distinct(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(dict.fromkeys(names))


def _packed(names: Sequence[str] | None) -> str | None:
    return None if names is None else json.dumps(list(names))
