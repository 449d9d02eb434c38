"""Types by the endings of names: the same on every machine."""

import mimetypes

import pytest

from storage.message_format.file_types import ending_of, type_of


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("invoice.PDF", "application/pdf"),
        ("a.b/c.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("invite.ics", "text/calendar"),
        ("logs.tar.gz", "application/octet-stream"),
        ("logs.gz", "application/octet-stream"),
        ("data:text/html,x", None),
        ("www.example.test", None),
        ("README", None),
        ("", None),
    ],
)
def test_the_ending_of_a_name_tells_a_type(name: str, media_type: str | None) -> None:
    assert type_of(name) == media_type


def test_a_type_has_an_ending_or_none() -> None:
    assert (ending_of("text/vcard"), ending_of("image/jpeg")) == (".vcf", ".jpg")
    assert not ending_of("application/x-nothing")


def test_what_the_machine_knows_is_not_asked() -> None:
    mimetypes.add_type("application/x-ours", ".ourending")  # as a mime.types of Debian may
    try:
        assert type_of("a.ourending") is None
    finally:
        del mimetypes.types_map[".ourending"]
