"""The responses of each call, for the OpenAPI document.

Refusals follow from the route: its access, its references, its payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from admin_api.call.idempotency import takes_key
from admin_api.call.paging import Page
from admin_api.call.router import Route
from admin_api.http import shapes
from admin_api.http.problems import MEDIA_TYPE as PROBLEM
from admin_api.http.problems import phrase_of
from admin_api.http.shapes import Described
from admin_api.openapi.endpoints import DESCRIBED

Json = dict[str, object]

OCTETS = "application/octet-stream"
REF = "#/components/schemas/{model}"
HEADERS: dict[str, Json] = {
    "X-Request-Id": {"description": "Names this call in the log."},
    "ETag": {"description": "The version of the resource, for If-Match."},
    "Link": {"description": 'With rel="next": where the array goes on.'},
    "Retry-After": {"description": "Seconds after which to try again."},
    "WWW-Authenticate": {"description": "Bearer."},
    "RateLimit": {"description": "How many calls are left, and until when."},
    "RateLimit-Policy": {"description": "How many calls a minute are allowed."},
    "Idempotency-Replayed": {"description": "true: the answer was given before."},
}


def described(route: Route) -> Described:
    """Return the description of the route; a new one without any is documented all the same."""
    return DESCRIBED.get(f"{route.method} {route.path}") or Described()


def responses_of(route: Route) -> Json:
    """By status, what the route answers."""
    about = described(route)
    responses: Json = {str(status): _success(route, about, status) for status in about.status}
    for status, codes in sorted(refusals(route, about).items()):
        responses[str(status)] = {"$ref": f"#/components/responses/{_named(status, codes)}"}
    return responses


def _named(status: int, codes: Iterable[str]) -> str:
    return ".".join((str(status), *codes))


def shared_responses(routes: Iterable[Route]) -> Json:
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
    is_single = route.path.endswith("}/") and route.method in ("GET", "PATCH")
    if is_single or route.tag_of_new is not None:
        headers.append("ETag")
    if takes_key(route):
        headers.append("Idempotency-Replayed")
    response: Json = {"description": phrase_of(status), "headers": _headers(headers)}
    if status != 204:
        # Of octets, generators take only the second type.
        is_known = about.media_type.startswith("text/") or about.media_type.endswith("json")
        types = [about.media_type] if is_known else [about.media_type, OCTETS]
        response["content"] = {media_type: _content(about) for media_type in types}
    return response


def _content(about: Described) -> Json:
    if about.model is None:
        is_text = about.media_type.startswith("text/")
        text: Json = {"type": "string", **({} if is_text else {"format": "binary"})}
        return {"schema": {} if about.media_type.endswith("json") else text}
    schema, example = ref(about.model.__name__), example_of(about.model)
    if about.many:
        return {"schema": {"type": "array", "items": schema}, "example": [example]}
    return {"schema": schema, "example": example}


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refusals(route: Route, about: Described) -> dict[int, list[str]]:
    """By status, the codes that a call may be refused with."""
    refusals: dict[int, list[str]] = {
        400: ["invalid_fields", "malformed_request", *about.faults],
        # The HTTP edge's own, before any call is seen (gateway/http_edge/http_refusals.py).
        408: ["request_timeout"],
        414: ["url_too_long"],
        431: ["header_too_large"],
        503: ["too_many_connections"],
    }
    if route.access.caller != "anybody":
        refusals |= {
            401: ["unauthorized"],
            403: [*_forbidden(route, about)],
            429: ["rate_limited", *about.too_many],
        }
    if route.path.startswith("/auth/") and route.payload is not None:
        refusals |= {429: ["rate_limited"], 401: ["unauthorized"]}
    if route.access.caller == "anybody" and (route.payload is not None or about.bearer):
        refusals[401] = ["unauthorized" if about.bearer else "invalid_credentials"]
    if route.access.acts:
        refusals[400].append("inbox_required")
    is_named = route.access.caller != "anybody"  # a session may name an inbox on every call
    if is_named or "{" in route.path or about.names or route.shown:
        refusals[404] = ["not_found"]
    conflicts = [*about.conflicts]
    if takes_key(route):
        conflicts += ["idempotency_in_progress", "idempotency_mismatch"]
        refusals[429].append("too_many_keys")
    if conflicts:
        refusals[409] = conflicts
    compares = route.unchanged is not None
    if route.method in ("PATCH", "DELETE") or compares:
        refusals |= _conditions(is_required=route.needs_condition or compares)
    if route.reads_json:
        refusals[400].append("malformed_json")
    if route.reads_json or about.takes:
        refusals |= {413: ["body_too_large", *about.too_large], 415: ["unsupported_media_type"]}
    if route.path not in ("/healthz", "/metrics", "/docs", "/v1/openapi.json"):
        refusals[503] += ["store_unavailable", *(["dns_unavailable"] if about.dns else [])]
    return refusals


def _conditions(*, is_required: bool) -> dict[int, list[str]]:
    required = {428: ["precondition_required"]} if is_required else {}
    return {412: ["precondition_failed"], **required}


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
    phrase = phrase_of(status)
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
        "content": {PROBLEM: {"schema": ref(shapes.ProblemRecord.__name__), "example": example}},
    }


def ref(name: str) -> Json:
    """A schema of the document, by its name."""
    return {"$ref": REF.format(model=name)}


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
