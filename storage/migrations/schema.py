"""How a step runs its schema: one text of statements in the words of the engine."""

from __future__ import annotations

from storage.database import Tx


async def run_schema(tx: Tx, schema: str) -> None:
    """Run the statements of `schema`, which semicolons part."""
    for statement in schema.format_map(tx.dialect).split(";"):
        if statement.strip():
            await tx.execute(statement)
