"""The OpenAPI 3.1 document, made from the route table, the payloads and the shapes of answers.

- The answers to a call follow from its route: who may call it, what it names, what it takes.
- `inbox_id`, by which a session says for which inbox it acts, is a parameter of every such call.
- The same routes give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from admin_api.access.policy import Access
from admin_api.call.idempotency import HEADER as IDEMPOTENCY_KEY
from admin_api.call.idempotency import takes_key
from admin_api.call.router import Handler, Route
from admin_api.http import shapes
from admin_api.openapi.answers import (
    HEADERS,
    OCTETS,
    REF,
    Json,
    described,
    ref,
    responses_of,
    shared_responses,
)
from admin_api.openapi.field_descriptions import description_of
from storage.accounts.tokens import SCOPES

_INBOX = {
    "type": "string",
    "minLength": 1,
    "description": "The id or the address of the inbox that the call is made for.",
    "examples": ["alice@example.com"],
}
_PATHS: dict[str, object] = {
    "user_id": shapes.UserId,
    "list_id": shapes.ListId,
    "message_id": shapes.MessageId,
    "attachment_id": shapes.AttachmentId,
    "thread_id": shapes.ThreadId,
    "note_id": shapes.NoteId,
    "task_id": shapes.TaskId,
    "template_id": shapes.TemplateId,
    "token_id": shapes.TokenId,
    "contact_id": shapes.ContactId,
    "share_id": shapes.ShareId,
    "alert_id": shapes.AlertId,
    "delivery_id": shapes.DeliveryId,
    "draft_id": shapes.DraftId,
    "approval_id": shapes.ApprovalId,
}


def document_bytes(routes: Iterable[Route]) -> bytes:
    """The document as it is served and kept."""
    # Sorted: a test compares docs/openapi.json with this byte by byte.
    option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document(routes), option=option)


def document(routes: Iterable[Route]) -> Json:
    """The document of these routes."""
    routes = tuple(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Postroom",
            "version": version("postroom"),
            "description": "Shared mail addresses whose every member gets a durable copy.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({_tag(route) for route in routes})],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "responses": shared_responses(routes),
            "headers": {
                name: header | {"schema": {"type": "string"}} for name, header in HEADERS.items()
            },
            "securitySchemes": _SECURITY,
        },
    }


_SECURITY: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An agent token (prt_…), bound to one inbox. Scopes: " + ", ".join(SCOPES),
    },
    "session": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's session (prs_…), from POST /auth/login/.",
    },
}


def _operation(route: Route) -> Json:
    handler = route.handler
    operation: Json = {
        "operationId": _operation_id(handler),
        "summary": handler.__name__.replace("_", " ").capitalize(),
        "description": _description(route),
        "tags": [_tag(route)],
        "parameters": _parameters(route),
        "responses": responses_of(route),
        "security": _security(route.access),
    }
    if route.payload is not None:
        content = {"schema": ref(_payload_name(route)), "example": described(route).body}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif takes := described(route).takes:
        operation["requestBody"] = {
            "description": _taken(takes),
            "required": True,
            "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        }
    return operation


def _taken(media_type: str) -> str:
    if media_type == "*/*":
        return "A file of any type, which Content-Type tells."
    return f"A file, as {media_type} or as octets."


def _operation_id(handler: Handler) -> str:
    """Module and name of the handler; clients are generated from it, so a given one stays."""
    module = handler.__module__.rpartition(".")[2]
    return f"{_GIVEN_PREFIXES.get(handler.__name__, module)}.{handler.__name__}"


# Handlers that moved since release 0.1.0 keep the module name of that release in their id.
_GIVEN_PREFIXES = {
    "show_agenda": "agenda",
    "list_deliveries": "alert_deliveries",
    "redeliver": "alert_deliveries",
    "test_alert": "alert_deliveries",
    "wait_for_message": "waiting",
    "show_deliveries": "deliveries",
    "show_route": "deliveries",
}


def _tag(route: Route) -> str:
    parts = route.path.strip("/").split("/")
    if parts[0] != "v1":
        return "sign in" if parts[0] == "auth" else "service"
    deep = next((part for part in parts[2:] if part in ("threads", "notes", "shares")), None)
    return deep or parts[1].removesuffix(".json")


def _description(route: Route) -> str:
    _, _, said = (route.handler.__doc__ or "").strip().partition("/: ")
    said = re.sub(r"\s+", " ", said.split("\n\n")[0]).strip()
    return " ".join(part for part in (said[:1].upper() + said[1:], _who(route.access)) if part)


def _who(access: Access) -> str:
    """The access rule as a sentence."""
    who = {
        "anybody": "Anybody may call this.",
        "any": "For a session or an agent token.",
        "session": "For a session.",
        "admin": "For the session of an owner or admin.",
    }[access.caller]
    if access.scopes:
        who = f"For a session, or a token with {' or '.join(access.scopes)}."
    needs = [f"the plan {access.plan} or higher"] if access.plan != "free" else []
    if access.governance != "none":
        needs.append(f"the governance {access.governance} or higher")
    return f"{who} Needs {' and '.join(needs)}." if needs else who


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access.caller == "anybody":
        return []
    session: list[dict[str, list[str]]] = [{"session": []}]
    if access.caller != "any":
        return session
    return (
        session
        + [{"token": [scope]} for scope in access.scopes or ()]
        + ([] if access.scopes else [{"token": []}])
    )


def _parameters(route: Route) -> list[Json]:
    names = re.findall(r"\{(\w+)\}", route.path)
    found = [_parameter("path", name, _path_schema(name)) for name in names]
    query = route.parameters.model_json_schema()
    for name, schema in query.get("properties", {}).items():
        found.append(_parameter("query", name, _resolved(_not_null(schema), query)))
    if route.access.acts:
        found.append(_parameter("query", "inbox_id", _INBOX))
    if takes_key(route):
        key: Json = {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}
        found.append(_parameter("header", IDEMPOTENCY_KEY, key))
    if route.method in ("PATCH", "DELETE") or route.unchanged is not None:
        tag: Json = {"type": "string", "description": "The ETag that was read, or *."}
        found.append(_parameter("header", "If-Match", tag) | {"required": route.needs_condition})
    return found


def _parameter(place: str, name: str, schema: Json) -> Json:
    said = schema.get("description") or description_of(name)
    schema = {key: value for key, value in schema.items() if key != "description"}
    found: Json = {"name": name, "in": place, "required": place == "path", "schema": schema}
    return found | ({"description": said} if said else {})


def _path_schema(name: str) -> Json:
    if name == "inbox_id":
        return _INBOX
    kind = _PATHS.get(name)
    if kind is None:
        return {"type": "string", "minLength": 1, "examples": ["example.com"]}
    (found,) = (one for one in getattr(kind, "__metadata__", ()))
    return {"type": "string", "minLength": 1, "examples": found.examples}


def _not_null(schema: Json) -> Json:
    """A parameter that is left out is not there; it is never null."""
    kinds = schema.get("anyOf")
    if not isinstance(kinds, list):
        return _plain(schema)
    kept = [one for one in kinds if one.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return _plain(rest | (kept[0] if len(kept) == 1 else {"anyOf": kept}))


def _resolved(schema: Json, whole: Mapping[str, object]) -> Json:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    definitions = whole.get("$defs")
    return definitions[name] if name and isinstance(definitions, dict) else schema


def _plain(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "title"}


def _payload_name(route: Route) -> str:
    assert route.payload is not None
    return route.payload.__name__


def _schemas(routes: Iterable[Route]) -> dict[str, Json]:
    answers: dict[type[BaseModel], None] = {shapes.ProblemRecord: None}
    payloads: dict[type[BaseModel], bool] = {}
    for route in routes:
        model = described(route).model
        if model is not None:
            answers[model] = None
        if route.payload is not None:
            payloads[route.payload] = route.access.acts
    _, made = models_json_schema(
        [(model, "serialization") for model in answers], by_alias=True, ref_template=REF
    )
    found: dict[str, Json] = made.get("$defs", {})
    _, taken = models_json_schema(
        [(model, "validation") for model in payloads], by_alias=True, ref_template=REF
    )
    for name, schema in taken.get("$defs", {}).items():
        acts = next((acts for model, acts in payloads.items() if model.__name__ == name), False)
        found[name] = _payload_schema(schema, acts=acts)
    return {name: _explained(name, schema) for name, schema in found.items()}


def _explained(record: str, schema: Json) -> Json:
    """The schema with a description of every field."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return schema | {
        "properties": {
            name: one if "description" in one else _with_description(record, name, one)
            for name, one in properties.items()
        }
    }


def _with_description(record: str, name: str, schema: Json) -> Json:
    said = description_of(name, record)
    return schema | {"description": said} if said else schema


def _payload_schema(schema: Json, *, acts: bool) -> Json:
    """Without defaults: what a field that is left out means is not its value.

    An optional field may be null, which counts as left out.
    """
    required = schema.get("required", [])
    is_counted = "minProperties" in schema
    properties = schema.get("properties")
    if isinstance(properties, dict):
        kept = {
            name: one if _is_in(name, required) or is_counted else _or_null(one)
            for name, one in ((name, _without_default(one)) for name, one in properties.items())
        }
        schema = schema | {"properties": kept | ({"inbox_id": _INBOX} if acts else {})}
    return schema


def _is_in(name: str, required: object) -> bool:
    return isinstance(required, list) and name in required


def _without_default(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "default"}


def _or_null(schema: Json) -> Json:
    kinds = schema.get("anyOf")
    if isinstance(kinds, list):
        return (
            schema if {"type": "null"} in kinds else schema | {"anyOf": [*kinds, {"type": "null"}]}
        )
    kept = {key: schema[key] for key in ("title", "description", "examples") if key in schema}
    bare = {key: value for key, value in schema.items() if key not in kept}
    return kept | {"anyOf": [bare, {"type": "null"}]}
