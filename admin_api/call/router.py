"""Routes as data, and the router that matches a path to them.

- A path is matched on its raw segments, each decoded by itself: `%2F` in an address is no slash.
- A slash at the end makes no difference; two slashes match nothing.
- A literal segment wins over a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

from starlette.responses import Response

from admin_api.access.policy import Access
from admin_api.call.call import Call
from admin_api.http.body import MAX_FILE
from admin_api.http.payload import Parameters, Payload
from admin_api.http.records import Record
from storage.database import Tx

Handler = Callable[[Call], Coroutine[Any, Any, Response]]
Permit = Callable[[Call], None]
Admit = Callable[[Call], AbstractAsyncContextManager[None]]
Locate = Callable[[Tx, Call], Coroutine[Any, Any, object]]
Changed = Callable[[Tx, Call], Coroutine[Any, Any, Record]]
TagOf = Callable[[Record], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a resource that a POST answers with is shown later: the `field` of the answer that is its
    id, the path's `argument` of that id, the handler that shows it, and the source of its ETag.
    """

    field: str
    argument: str
    handler: Handler
    version: Locate | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the route table.

    `payload` and `parameters` are the models of body and query. `permit` raises Problem 403 for a
    body that this caller may not send. `locate` finds the object in the path: when the input has
    faults, it is asked first, so that 404 wins. `version` is the source of the ETag where the body
    needs more than the store, and `changed` tells who made that version; `needs_condition`: a
    change without If-Match is refused; `unchanged` raises Problem 412 or 428 for a POST whose body
    names what must be as its sender read it. `waits`: a POST waits for more than the store.

    `takes_file`: its body is a file of one of these media types, of at most `most_octets`, which
    the handler has as the call's `file`, or with `keeps_file` as its `received`; `admit` is asked
    before the file is read, and held until the answer. `changes` is False for a POST that changes
    nothing; `shown` shows the resource of a long answer again, and `tag_of_new` is the ETag of the
    resource that a POST has made, from its answer. With `of_tenant` what it writes are rows of the
    caller's tenant, and no route of mail: it waits for no writer of another tenant.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    payload: type[Payload] | None = None
    parameters: type[Parameters] = Parameters
    permit: Permit | None = None
    locate: Locate | None = None
    version: Locate | None = None
    changed: Changed | None = None
    needs_condition: bool = False
    unchanged: Locate | None = None
    waits: bool = False
    changes: bool = True
    shown: Shown | None = None
    tag_of_new: TagOf | None = None
    takes_file: tuple[str, ...] = ()
    most_octets: int = MAX_FILE
    keeps_file: bool = False
    admit: Admit | None = None
    of_tenant: bool = False

    @property
    def reads_json(self) -> bool:
        """Whether a body is read as JSON: also where the call needs none."""
        return self.method != "GET" and not self.takes_file


def of_tenant(rows: Iterable[Route]) -> tuple[Route, ...]:
    """Mark rows whose calls write in the caller's tenant alone."""
    return tuple(replace(row, of_tenant=True) for row in rows)


@dataclass(frozen=True, slots=True)
class Match:
    """The routes of a path, by method, and the values of its parameters."""

    routes: Mapping[str, Route]
    arguments: Mapping[str, str]

    @property
    def allow(self) -> str:
        """The Allow header's value."""
        return ", ".join(sorted({*self.routes, *(["HEAD"] if "GET" in self.routes else [])}))


class Row(Protocol):
    """A row of a table of paths: an API route, or a page."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=Row)


@dataclass(slots=True)
class _Node(Generic[R]):
    literal: dict[str, _Node[R]] = field(default_factory=dict)
    parameter: tuple[str, _Node[R]] | None = None
    routes: dict[str, R] = field(default_factory=dict)


class PathTree(Generic[R]):
    """A table of paths as a tree of segments."""

    __slots__ = ("_root",)

    def __init__(self, routes: Iterable[R]) -> None:
        self._root: _Node[R] = _Node()
        for route in routes:
            node = self._node(route.path)
            if route.method in node.routes:
                raise ValueError(f"two routes for {route.method} {route.path}")
            node.routes[route.method] = route

    def _node(self, path: str) -> _Node[R]:
        node = self._root
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                node.parameter = node.parameter or (segment, _Node())
                if node.parameter[0] != segment:
                    raise ValueError(f"{path}: {segment} is called {node.parameter[0]} elsewhere")
                node = node.parameter[1]
            else:
                node = node.literal.setdefault(segment, _Node())
        return node

    def find(self, raw_path: bytes) -> tuple[Mapping[str, R], Mapping[str, str]] | None:
        """Return the rows of `raw_path`, percent-encoded, by method, and its parameters."""
        if not raw_path.startswith(b"/"):
            return None
        node, arguments = self._root, dict[str, str]()
        # One slash only: with "//" an empty segment is left, which matches nothing.
        for raw in raw_path[1:].removesuffix(b"/").split(b"/"):
            segment = _decoded(raw)
            # Literals first, or /v1/messages/wait/ would be a message with the id "wait".
            if segment in node.literal:
                node = node.literal[segment]
            elif segment and node.parameter:
                name, node = node.parameter
                arguments[name[1:-1]] = segment
            else:
                return None
        return (node.routes, arguments) if node.routes else None


class Router:
    """The route table."""

    __slots__ = ("_tree",)

    def __init__(self, routes: Iterable[Route]) -> None:
        self._tree = PathTree(routes)

    def match(self, raw_path: bytes) -> Match | None:
        """Return the routes of `raw_path`, which is percent-encoded."""
        found = self._tree.find(raw_path)
        return Match(*found) if found else None


def _decoded(raw: bytes) -> str:
    """Return the segment's text; empty, and so no segment at all, when it is not UTF-8."""
    try:
        return unquote(raw.decode("ascii"), errors="strict")
    except UnicodeError:
        return ""
