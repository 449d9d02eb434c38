"""The OpenAPI document: valid, complete, kept, and true."""

import base64
import hashlib
import re
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from admin_api.call.router import Route
from admin_api.openapi.answers import example_of
from admin_api.openapi.document import document, document_bytes
from admin_api.openapi.endpoints import DESCRIBED
from admin_api.routes import ROUTES
from storage.database import Tx
from storage.directory.domains import trust_domain
from tests.admin_api.test_routes import TABLE, ids
from tests.builders import SALES, TENANT_OWNER, World

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"
WITH_BODY = [
    pytest.param(route, id=f"{route.method} {route.path}")
    for route in ROUTES
    if route.payload is not None
]


@cache
def made() -> Any:  # noqa: ANN401
    """Return the document, made when it is first asked for."""
    return document(ROUTES)


def test_it_is_valid() -> None:
    from openapi_spec_validator import validate

    validate(made())


def test_every_route_is_described_and_nothing_else() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} == set(DESCRIBED)


def test_the_installed_version_is_that_of_the_project() -> None:
    project = tomllib.loads((KEPT.parents[1] / "pyproject.toml").read_text())["project"]

    assert version("postroom") == project["version"], "the environment is old: pip install -e ."


def test_what_is_kept_is_what_is_served() -> None:
    once = document_bytes(ROUTES)
    assert KEPT.read_bytes() == once, "docs/openapi.json is old: make openapi"
    assert document_bytes(ROUTES) == once


def test_no_two_operations_have_one_name() -> None:
    names = [one["operationId"] for path in made()["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("key", DESCRIBED)
def test_the_example_of_an_answer_is_one(key: str) -> None:
    model = DESCRIBED[key].model
    if model is not None:
        model.model_validate_json(orjson.dumps(example_of(model)), strict=True)


def test_it_names_the_scopes_of_which_a_token_needs_one() -> None:
    agenda = made()["paths"]["/v1/agenda/"]["get"]["security"]
    assert agenda == [{"session": []}, {"token": ["task:read"]}, {"token": ["email:read"]}]
    assert made()["paths"]["/v1/users/"]["get"]["security"] == [{"session": []}]
    assert made()["paths"]["/healthz"]["get"]["security"] == []


async def test_it_is_served_to_anybody(world: World) -> None:
    async with world.client() as api:
        answer = await api.get("/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == made()


async def test_the_page_runs_its_own_script_and_loads_nothing_from_outside(world: World) -> None:
    async with world.client() as api:
        answer = await api.get("/docs")
        assert (await api.get("/docs/")).content == answer.content
    page, policy = answer.content, answer.headers["content-security-policy"]
    for element in ("script", "style"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>".encode(), page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(rb"https?:|//[a-z]|src=|url\(|@import|innerHTML|style=|onclick", page)


@pytest.fixture
async def example(furnished: World) -> World:
    """A furnished world with the addresses that the examples name."""
    world = furnished

    async def trust(tx: Tx) -> None:
        await trust_domain(tx, tenant_id=world.tenant_id, name="example.com", now=1)

    await world.database.write(trust)
    async with world.client(TENANT_OWNER) as api:
        await api.post("/v1/inboxes/", json={"address": "alice@example.com"})
        await api.post(
            "/v1/users/",
            json={
                "email": "alice@people.example",
                "password": "a long password",
                "role": "owner",
            },
        )
        login = {"email": "alice@people.example", "password": "a long password"}
        world.secrets["alice"] = (await api.post("/auth/login/", json=login)).json()["access_token"]
    return world


@pytest.mark.parametrize("route", WITH_BODY)
async def test_the_example_of_a_request_does_what_it_says(example: World, route: Route) -> None:
    key = f"{route.method} {route.path}"
    row = TABLE[key]
    own = await ids(example, own=True)
    path = re.sub(r"\{(\w+)\}", lambda found: own[row.names[found[1]]], route.path)
    content = made()["paths"][route.path][route.method.lower()]["requestBody"]["content"]
    query = {"inbox_id": SALES} if row.acts else {}
    async with example.client("alice") as api:
        body = content["application/json"]["example"]
        answer = await api.request(route.method, path, params=query, json=body, headers=row.headers)
    assert answer.status_code == DESCRIBED[key].status[0], answer.text


def test_every_field_and_parameter_has_a_description() -> None:
    fields = {
        f"{name}.{field}": one
        for name, schema in made()["components"]["schemas"].items()
        for field, one in schema.get("properties", {}).items()
    }
    parameters = {
        f"{path} {one['name']}": one
        for path, methods in made()["paths"].items()
        for operation in methods.values()
        for one in operation["parameters"]
    }
    missing = [key for key, one in (fields | parameters).items() if not one.get("description")]
    assert missing == [], "describe them in admin_api/openapi/field_descriptions.py"


def test_every_refusal_is_the_problem_by_plain_reference() -> None:
    problem = {"$ref": "#/components/schemas/ProblemRecord"}
    for response in made()["components"]["responses"].values():
        assert response["content"]["application/problem+json"]["schema"] == problem


async def test_it_is_compressed_for_who_accepts_that(world: World) -> None:
    async with world.client() as api:
        for path in ("/v1/openapi.json", "/docs"):
            packed = await api.get(path, headers={"Accept-Encoding": "br, gzip"})
            plain = await api.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
            assert packed.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            assert packed.content == plain.content
            assert int(packed.headers["content-length"]) * 2 < len(plain.content)
