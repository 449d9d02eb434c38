"""Bodies: what type, how large, and how odd they may be."""

import json
from collections.abc import AsyncIterator

import pytest

from admin_api.http.strict_json import MAX_DEPTH, MalformedJson, parse_object
from storage.errors import FieldFault
from tests.builders import TENANT_OWNER, World

LISTS = "/v1/distribution-lists/"
JSON = {"Content-Type": "application/json"}


def faults(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(MalformedJson) as caught:
        parse_object(body)
    return [(fault.field, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name": NaN}', "name"),
        (b'{"name": [1, -Infinity]}', "name[1]"),
        (b'{"name": 1e999}', "name"),
        (b'{"name": -1E400}', "name"),
        (b'{"name": ' + b"9" * 5000 + b"}", "name"),
        (b'{"name": 9223372036854775808}', "name"),
        (b'{"a": {"name": 1, "name": 2}}', "a.name"),
        (b'{"name": "\\ud800"}', "name"),
        (b'{"name": "\\udc00\\ud800"}', "name"),
        (b'{"name": ["", "x\\u0000y"]}', "name[1]"),
        (b'{"\\u0000": 1}', "(other)"),
        (b'{"two words": {"name": NaN}}', "(other).name"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "a" + "[0]" * (MAX_DEPTH - 1)),
    ],
)
def test_a_value_that_cannot_be_read_is_named_by_its_path(body: bytes, field: str) -> None:
    assert [found for found, _ in faults(body)] == [field]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": "\n"}',
        b'{"a": 1}x',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
async def test_what_is_no_json_object_is_400(world: World, body: bytes) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(LISTS, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def test_every_fault_is_told_at_once_up_to_a_hundred() -> None:
    assert faults(b'{"a": NaN, "b": 1e999}') == [
        ("a", "is no number that JSON has"),
        ("b", "is too large a number"),
    ]
    assert len(faults(json.dumps({"a": ["\0"] * 5000}).encode())) == 100


def test_what_json_allows_is_taken_as_it_is() -> None:
    text = '{"a": [1, -9223372036854775808, 0.5, true, null, "\\ud83d\\ude00 é"], "": {}}'
    assert parse_object(text.encode()) == json.loads(text)


def test_a_fault_is_a_value() -> None:
    assert MalformedJson("x", FieldFault("a", "b")).faults == (FieldFault("a", "b"),)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ('application/json;charset="utf-8"', 201),
        ("application/json; charset=latin-1", 415),
        ("application/merge-patch+json", 415),
        ("text/plain", 415),
        ("multipart/form-data", 415),
    ],
)
async def test_a_body_is_json_in_utf8_or_415(world: World, media_type: str, status: int) -> None:
    body = b'{"address": "new@example.test", "name": "New"}'
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(LISTS, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status


async def test_a_body_without_a_type_is_415_and_no_body_at_all_is_400(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        assert (await api.post(LISTS, content=b"{}")).status_code == 415
        assert (await api.post(LISTS)).json()["code"] == "malformed_json"
        packed = JSON | {"Content-Encoding": "gzip"}
        assert (await api.post(LISTS, content=b"{}", headers=packed)).status_code == 415


async def test_a_body_over_256_kib_is_413_also_when_it_does_not_say_so(world: World) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    async with world.client(TENANT_OWNER) as api:
        declared = await api.post(LISTS, content=b" " * (256 * 1024 + 1), headers=JSON)
        streamed = await api.post(LISTS, content=endless(), headers=JSON)
        largest = await api.post(LISTS, content=b" " * (256 * 1024 - 2) + b"{}", headers=JSON)
    assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")
    assert (streamed.status_code, sent) == (413, 5 * 65536)
    assert largest.json()["code"] == "invalid_fields"


async def test_a_query_that_is_no_text_is_400(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for query in (
            "inbox_id=Sales@example.test&cursor=%FF",
            "inbox_id=Sales@example.test&folder=%00",
        ):
            answer = await api.get(f"/v1/messages/?{query}")
            assert answer.status_code in (400, 404)
        for query in ("?folder=inbox&folder=inbox", "?a=1" * 1, "?" + "&".join(["a=1"] * 200)):
            answer = await api.get(f"/v1/me/{query}")
            assert answer.status_code == 400
