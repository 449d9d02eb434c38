"""The OpenAPI 3.1 document, made from the route table, the payloads and the shapes of answers.

- What a call may be answered follows from its route: who may call it, what it names, what it takes.
- `inbox_id`, by which a session says for which inbox it acts, is a parameter of every such call.
- The same routes give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from admin_api import schemas
from admin_api.described import DESCRIBED, Described
from admin_api.idempotency import HEADER as IDEMPOTENCY_KEY
from admin_api.idempotency import takes_key
from admin_api.paging import Page
from admin_api.policy import Access
from admin_api.problems import MEDIA_TYPE as PROBLEM
from admin_api.routing import Route
from storage.tokens import SCOPES

Json = dict[str, object]

_REF = "#/components/schemas/{model}"
_INBOX = {
    "type": "string",
    "minLength": 1,
    "description": "The id or the address of the inbox that the call is made for.",
    "examples": ["alice@example.com"],
}
_PATHS: dict[str, object] = {
    "user_id": schemas.UserId,
    "list_id": schemas.ListId,
    "message_id": schemas.MessageId,
    "attachment_id": schemas.AttachmentId,
    "thread_id": schemas.ThreadId,
    "note_id": schemas.NoteId,
    "task_id": schemas.TaskId,
    "template_id": schemas.TemplateId,
    "token_id": schemas.TokenId,
    "contact_id": schemas.ContactId,
    "share_id": schemas.ShareId,
    "alert_id": schemas.AlertId,
    "delivery_id": schemas.DeliveryId,
}
_HEADERS: dict[str, Json] = {
    "X-Request-Id": {"description": "Names this call in the log."},
    "ETag": {"description": "The version of the resource, for If-Match."},
    "Link": {"description": 'With rel="next": where the array goes on.'},
    "Retry-After": {"description": "Seconds after which to try again."},
    "WWW-Authenticate": {"description": "Bearer."},
    "RateLimit": {"description": "How many calls are left, and until when."},
    "RateLimit-Policy": {"description": "How many calls a minute are allowed."},
    "Idempotency-Replayed": {"description": "true: the answer was given before."},
}


def document_bytes(routes: Iterable[Route]) -> bytes:
    """The document as it is served and kept."""
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
            "responses": _shared_responses(routes),
            "headers": {
                name: header | {"schema": {"type": "string"}} for name, header in _HEADERS.items()
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


def described(route: Route) -> Described:
    """What is said of the route; a new one without a word is in the document all the same."""
    return DESCRIBED.get(f"{route.method} {route.path}") or Described()


def _operation(route: Route) -> Json:
    handler = route.handler
    module = handler.__module__.rpartition(".")[2]
    operation: Json = {
        "operationId": f"{module}.{handler.__name__}",
        "summary": handler.__name__.replace("_", " ").capitalize(),
        "description": _description(route),
        "tags": [_tag(route)],
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": _security(route.access),
    }
    if route.payload is not None:
        content = {"schema": _ref(_payload_name(route)), "example": described(route).body}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif takes := described(route).takes:
        upload: Json = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": {takes: upload}}
    return operation


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
    if route.method in ("PATCH", "DELETE"):
        tag: Json = {"type": "string", "description": "The ETag that was read, or *."}
        found.append(_parameter("header", "If-Match", tag))
    return found


def _parameter(place: str, name: str, schema: Json) -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


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


def _responses(route: Route) -> Json:
    about = described(route)
    responses: Json = {str(status): _success(route, about, status) for status in about.status}
    for status, codes in sorted(refusals(route, about).items()):
        responses[str(status)] = {"$ref": f"#/components/responses/{_named(status, codes)}"}
    return responses


def _named(status: int, codes: Iterable[str]) -> str:
    return ".".join((str(status), *codes))


def _shared_responses(routes: Iterable[Route]) -> Json:
    """Every kind of refusal, once."""
    found: Json = {}
    for route in routes:
        for status, codes in refusals(route, described(route)).items():
            found[_named(status, codes)] = _refusal(status, codes)
    return found


def _success(route: Route, about: Described, status: int) -> Json:
    headers = ["X-Request-Id"]
    if route.access.caller != "anybody":
        headers += ["RateLimit", "RateLimit-Policy"]
    if issubclass(route.parameters, Page) and about.many:
        headers.append("Link")
    if route.path.endswith("}/") and route.method in ("GET", "PATCH"):
        headers.append("ETag")
    if takes_key(route):
        headers.append("Idempotency-Replayed")
    response: Json = {"description": HTTPStatus(status).phrase, "headers": _headers(headers)}
    if status != 204:
        response["content"] = {about.media_type: _content(about)}
    return response


def _content(about: Described) -> Json:
    if about.model is None:
        return {"schema": {} if about.media_type.endswith("json") else {"type": "string"}}
    schema, example = _ref(about.model.__name__), example_of(about.model)
    if about.many:
        return {"schema": {"type": "array", "items": schema}, "example": [example]}
    return {"schema": schema, "example": example}


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refusals(route: Route, about: Described) -> dict[int, list[str]]:
    """By status, the codes that a call may be refused with."""
    refusals: dict[int, list[str]] = {400: ["invalid_fields", *about.faults]}
    if route.access.caller != "anybody":
        refusals |= {401: ["unauthorized"], 403: [*_forbidden(route, about)], 429: ["rate_limited"]}
    if route.path.startswith("/auth/") and route.payload is not None:
        refusals |= {429: ["rate_limited"], 401: ["unauthorized"]}
    if route.access.caller == "anybody" and (route.payload is not None or about.bearer):
        refusals[401] = ["unauthorized" if about.bearer else "invalid_credentials"]
    if route.access.acts:
        refusals[400].append("inbox_required")
    if route.access.acts or "{" in route.path or about.names:
        refusals[404] = ["not_found"]
    conflicts = [*about.conflicts]
    if takes_key(route):
        conflicts += ["idempotency_in_progress", "idempotency_mismatch"]
    if conflicts:
        refusals[409] = conflicts
    if route.method in ("PATCH", "DELETE"):
        refusals[412] = ["precondition_failed"]
    if route.payload is not None:
        refusals[400].append("malformed_json")
    if route.payload is not None or about.takes:
        refusals |= {413: ["body_too_large"], 415: ["unsupported_media_type"]}
    if route.path not in ("/healthz", "/metrics", "/docs", "/v1/openapi.json"):
        refusals[503] = ["store_unavailable", *(["dns_unavailable"] if about.dns else [])]
    return refusals


def _forbidden(route: Route, about: Described) -> Iterable[str]:
    access = route.access
    if access.caller in ("admin", "session"):
        yield "admin_required"
    if access.scopes:
        yield "missing_scope"
    if access.plan != "free":
        yield "plan_required"
    if access.governance != "none":
        yield "governance_required"
    if access.caller == "any":
        yield "inbox_mismatch"
    yield from about.refusals


def _refusal(status: int, codes: list[str]) -> Json:
    headers = {
        401: ["WWW-Authenticate"],
        429: ["Retry-After", "RateLimit", "RateLimit-Policy"],
        503: ["Retry-After"],
    }
    schema: Json = {
        "allOf": [
            _ref(schemas.ProblemRecord.__name__),
            {"properties": {"status": {"const": status}}},
        ]
    }
    phrase = HTTPStatus(status).phrase
    example = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": f"{phrase}.",
        "code": codes[0],
    }
    return {
        "description": f"{phrase}: {', '.join(codes)}",
        "headers": _headers(["X-Request-Id", *headers.get(status, [])]),
        "content": {PROBLEM: {"schema": schema, "example": example}},
    }


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(model=name)}


def _payload_name(route: Route) -> str:
    assert route.payload is not None
    return route.payload.__name__


def _schemas(routes: Iterable[Route]) -> Json:
    answers: dict[type[BaseModel], None] = {schemas.ProblemRecord: None}
    payloads: dict[type[BaseModel], bool] = {}
    for route in routes:
        model = described(route).model
        if model is not None:
            answers[model] = None
        if route.payload is not None:
            payloads[route.payload] = route.access.acts
    _, made = models_json_schema(
        [(model, "serialization") for model in answers], by_alias=True, ref_template=_REF
    )
    found: Json = made.get("$defs", {})
    _, taken = models_json_schema(
        [(model, "validation") for model in payloads], by_alias=True, ref_template=_REF
    )
    for name, schema in taken.get("$defs", {}).items():
        acts = next((acts for model, acts in payloads.items() if model.__name__ == name), False)
        found[name] = _payload_schema(schema, acts=acts)
    return found


def _payload_schema(schema: Json, *, acts: bool) -> Json:
    """Without defaults: what a field that is left out means is not its value."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        kept = {
            name: {key: value for key, value in one.items() if key != "default"}
            for name, one in properties.items()
        }
        schema = schema | {"properties": kept | ({"inbox_id": _INBOX} if acts else {})}
    return schema


def example_of(model: type[BaseModel]) -> object:
    """A record made of the examples of its fields."""
    whole = model.model_json_schema(mode="serialization", by_alias=True)
    return _example(whole, whole.get("$defs", {}))


def _example(schema: Mapping[str, object], definitions: Mapping[str, Json]) -> object:
    examples, kinds = schema.get("examples"), schema.get("anyOf")
    properties, items = schema.get("properties"), schema.get("items")
    if isinstance(examples, list):
        return examples[0]
    if "$ref" in schema:
        return _example(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
    if isinstance(kinds, list):
        return _example(kinds[0], definitions)
    if isinstance(properties, dict):
        return {name: _example(one, definitions) for name, one in properties.items()}
    if isinstance(items, dict):
        return [_example(items, definitions)]
    return {"boolean": True, "null": None, "array": [], "string": ""}.get(str(schema.get("type")))
