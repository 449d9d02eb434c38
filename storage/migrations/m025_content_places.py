"""Large contents where every gateway can read them: in the database, or as objects."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m025_content_places(tx: Tx) -> None:
    """Make room for pieces and checksums; the contents that are there stay in their files."""
    await run_schema(tx, _PLACES)
    if tx.dialect["engine"] == "postgres":  # mail is not worth compressing: it is base64 or packed
        await tx.execute("ALTER TABLE content_pieces ALTER COLUMN octets SET STORAGE EXTERNAL")


# `contents.file` says where the bytes of a message lie (`storage.content.places`), and names the id
# of the content in hex digits. The index is how pieces are found that no row names. `digests` are
# the SHA-256 of each MiB of an object.
_PLACES = """
CREATE TABLE content_pieces (
    content_id {id} NOT NULL,
    position INTEGER NOT NULL,
    octets {bytes} NOT NULL,
    PRIMARY KEY (content_id, position)
);
CREATE INDEX content_pieces_first ON content_pieces (content_id) WHERE position = 0;

CREATE TABLE object_checksums (
    content_id {id} PRIMARY KEY,
    digests {bytes} NOT NULL
) {clustered}
"""
