"""Media types and the endings of file names: Python's own table, and the types of today's mail.

Not those of the machine: a message is to be read the same way wherever it is stored.
"""

from __future__ import annotations

from mimetypes import MimeTypes
from pathlib import PurePosixPath

NO_TYPE = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
# As registered with IANA; Python's table lacks them.
_NEWER = {
    ".7z": "application/x-7z-compressed",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".ics": "text/calendar",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".msg": "application/vnd.ms-outlook",
    ".odp": f"{_OPEN_DOCUMENT}presentation",
    ".ods": f"{_OPEN_DOCUMENT}spreadsheet",
    ".odt": f"{_OPEN_DOCUMENT}text",
    ".ogg": "audio/ogg",
    ".p7s": "application/pkcs7-signature",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".rtf": "application/rtf",
    ".vcf": "text/vcard",
    ".webp": "image/webp",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
}


def _table() -> MimeTypes:
    made = MimeTypes()
    for ending, media_type in _NEWER.items():
        made.add_type(media_type, ending)
    return made


_TYPES = _table()


def type_of(name: str) -> str | None:
    """The type that the ending of a file's name tells, in lower case; None where it tells none."""
    # The ending alone: the library reads a name such as `data:text/html,x` as an address.
    found, packed = _TYPES.guess_type(f"file{PurePosixPath(name).suffix}")
    return NO_TYPE if packed else found


def ending_of(media_type: str) -> str:
    """The usual ending of files of a type, with its dot; empty where there is none."""
    return _TYPES.guess_extension(media_type) or ""
