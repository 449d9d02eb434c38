"""The door of the page: everything under `/console/`, before and after a view.

- In this order: is it our host; no Authorization header; who has the cookie; the rate; is there
  such a page; does a form come from a page of ours; then the view. Nothing else decides.
- A refusal is shown once, here: as a page, to htmx as a fragment. Nobody signed in leads to the
  sign-in page, to htmx by the event `postroom:signed-out`.
- The page of a refusal has the form again, with what was written in it; the sign-in page keeps it.
- The page has no rights: views ask the API (`admin_api.console.inside`).
- Every response carries the policies below: no script, style or frame but ours, from nowhere else,
  and in no frame but ours.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from urllib.parse import quote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admin_api.access import credentials
from admin_api.access.credentials import Person
from admin_api.call.call import Call
from admin_api.call.dispatch import record_use
from admin_api.call.router import PathTree, Router
from admin_api.call.store_wrappers import of_caller
from admin_api.console import cookie, files, forms, looks, origin
from admin_api.console.forms import Form
from admin_api.console.inside import API
from admin_api.console.kept_parts import KeptParts
from admin_api.console.live.shared_rows import PackedPage, SharedRows
from admin_api.console.pages import FRAME, PAGES
from admin_api.console.thread import frame
from admin_api.console.views import sign_in_view
from admin_api.console.visit import Page, Visit, surround
from admin_api.events.page_stream import SharedFrames
from admin_api.http.problems import Problem, problem_of, rate_limited, unauthorized
from admin_api.http.responses import common_headers, without_body
from admin_api.service.call_metrics import TEMPLATE
from admin_api.service.rate_limits import Buckets, Ticks
from admin_api.service.service import ServiceContext
from config.logs import event
from storage.database import Tx
from storage.ids import to_text

logger = logging.getLogger("postroom.http")

_WORTH_PACKING = 2048
_UNREAD = (401, 429, 503)  # a form may be refused so before it is read
_STATIC = "/console/static/{version}/{name}"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Vary": "Cookie, HX-Request, Sec-Fetch-Dest",
}
# A browser says that a page of ours wants it as a frame: beside a list there may be a thread.
IN_PANE = {
    "Content-Security-Policy": POLICY["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


@lru_cache(maxsize=1)
def _pages() -> PathTree[Page]:
    return PathTree(PAGES)


class Fork:
    """The application: paths of the page go to `edge`, all others to the `calls` of the API."""

    def __init__(self, edge: ASGIApp, calls: ASGIApp) -> None:
        self._edge = edge
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("raw_path") or b""
        ours = path in (b"/", b"/favicon.ico") or path.split(b"/")[1:2] == [b"console"]
        await (self._edge if ours and scope["type"] == "http" else self._calls)(
            scope, receive, send
        )


class Edge:
    """The ASGI application of the page; `api` is the route table that it asks."""

    def __init__(self, api: Router, service: ServiceContext, ticks: Ticks) -> None:
        self._api = api
        self._service = service
        self._pages = _pages()
        self._hosts = origin.own_hosts(service.settings)
        rate = service.settings.console_rate_per_minute
        # A page with its parts is a dozen requests together.
        self._calls = Buckets(per_minute=rate, burst=max(1, rate // 5), ticks=ticks)
        self._shared = SharedRows(service.feed.position_in, ticks)
        self._parts = KeptParts()
        self._frames = SharedFrames()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[API] = self._api
        request = Request(scope, receive)
        asked = {name: request.headers.get(f"sec-fetch-{name}") for name in ("dest", "site")}
        # Of nobody yet, so that a refusal can be shown whenever it comes.
        visit = Visit(
            path=scope.get("path", "/"),
            fragment=request.headers.get("hx-request") == "true",
            pane=asked == {"dest": "iframe", "site": "same-origin"},
            look=looks.look_of(request),
            shared=self._shared,
            parts=self._parts,
            frames=self._frames,
        )
        headers = common_headers()
        try:
            response = await self._response(request, visit)
        except ClientDisconnect:
            return
        except Exception as error:
            response = await self._refused(request, visit, error, headers["X-Request-Id"])
        if not files.is_kept(response):  # a file has its own, and says nothing else a dozen times
            headers |= POLICY | IN_PANE if visit.pane else POLICY
        if visit.token and asked["dest"] == "empty":  # the page that asks may be of another session
            headers["X-Postroom-Form"] = f"{visit.user_id} {visit.token}"
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        for each in visit.cookies:
            response.headers.append("Set-Cookie", each)
        _pack(request, response)
        if request.method == "HEAD":
            response = without_body(response)
        await response(scope, receive, send)

    # ---- the way in

    async def _response(self, request: Request, visit: Visit) -> Response:
        if not origin.is_own_host(origin.host_of(request.headers.get("host")), self._hosts):
            raise Problem(421, "wrong_host", "This server has another name than you asked for.")
        # With both there are two callers, and the form's token protects only one of them.
        if "authorization" in request.headers:
            raise Problem(
                400, "no_bearer_here", "The page takes its cookie only; programs use /v1/."
            )
        raw = request.scope.get("raw_path") or b""
        if raw == b"/":
            return Response(status_code=303, headers={"Location": "/console/"})
        if raw == b"/favicon.ico":
            return Response(status_code=204)
        if raw.startswith(files.PREFIX.encode()):
            return _static(request, raw)
        return await self._viewed(request, visit, raw)

    async def _viewed(self, request: Request, visit: Visit, raw: bytes) -> Response:
        found = self._pages.find(raw)
        if found is not None:
            request.scope[TEMPLATE] = next(iter(found[0].values())).path
        now, secret = self._service.clock(), cookie.secret_of(self._service.settings, request)
        person = await self._identified(secret, now) if secret else None
        if person is not None:
            visit.user, visit.user_id = person.user, to_text("usr", person.user.user_id)
            visit.token = cookie.token_for(secret)
            allowance = self._calls.take(person.credential_id)
            if not allowance.granted:
                raise rate_limited(allowance.seconds)
        if found is None:
            # Only here, behind the cookie: the page that says so shows who is signed in.
            raise Problem(404, "not_found", "There is no such page.")
        rows, visit.arguments = found
        page = _row(rows, request.method)
        if person is None and not page.public:
            raise unauthorized()
        visit.query = forms.parse(request.scope["query_string"])
        service = self._service
        visit.sends = service.settings.smarthost is not None or service.sending.is_on()
        call = Call(service, request, visit.arguments, now, person, secret=secret)
        if person is not None:
            call.store = of_caller(service.store, service.commits, person, of_tenant=True)
        if page.method == "POST":
            await self._take_form(request, visit, secret if person else "", file=page.file)
        elif person is not None and not (visit.fragment or page.part):
            await surround(call, visit)
        return await page.view(call, visit)

    async def _identified(self, secret: str, now: int) -> Person | None:
        async def identify(tx: Tx) -> Person:
            return await credentials.identify_page(tx, secret=secret, now=now)

        try:
            person = await self._service.database.read_quick(identify)  # by two keys
        except Problem:
            return None
        if credentials.is_use_due(person, now=now):
            await record_use(self._service, person, now)
        return person

    async def _take_form(
        self, request: Request, visit: Visit, secret: str, *, file: bool = False
    ) -> None:
        """Read the form of a page of ours; of a `file` the header alone. Raises Problem 403 for
        any other.
        """
        if why := self._why_foreign(request):
            raise Problem(403, "foreign_form", f"This form was refused: {why}.")
        visit.form = Form([]) if file else await forms.read_form(request, known=bool(secret))
        token = request.headers.get(cookie.TOKEN_HEADER) or visit.form.get(cookie.TOKEN_FIELD, "")
        # The origin is not enough: a tab may still show a form of an earlier sign-in.
        if secret and not cookie.is_token(token, secret):
            raise Problem(403, "stale_form", "This form is of an earlier sign-in; send it again.")

    def _why_foreign(self, request: Request) -> str | None:
        headers = request.headers
        own = origin.own_origin(self._service.settings, headers.get("host"))
        return origin.why_foreign(headers.get("sec-fetch-site"), headers.get("origin"), own)

    # ---- the way out

    async def _refused(
        self, request: Request, visit: Visit, error: Exception, request_id: str
    ) -> Response:
        problem = problem_of(error)
        if problem.status == 500:
            pairs = {"request": request_id}
            logger.error("page_error", exc_info=error, extra={"pairs": pairs})
        elif problem.status == 503:
            event(logger, "page_deferred", level=logging.WARNING, request=request_id)
        visit.inboxes = ()  # it has nothing that could become another, and asks for nothing
        is_form = request.method == "POST" and not visit.fragment
        if is_form and problem.status in _UNREAD and not self._why_foreign(request):
            # A file, a broken form, nobody there any more; or a form that was read already.
            with suppress(Problem, ClientDisconnect, RuntimeError):
                visit.form = await forms.read_form(request, known=visit.user is not None)
        place, raw = _form_path(request), request.scope.get("raw_path") or b"/"
        # With the key of another text it would be refused again.
        used = ("key",) if problem.code == "idempotency_mismatch" else ()
        again = forms.again(visit.form, raw.decode("ascii", "replace"), without=used)
        if visit.pane and request.scope.get(TEMPLATE) == FRAME:
            html = frame.refusal(problem)
            response: Response = HTMLResponse(html, problem.status, dict(frame.HEADERS))
        elif problem.status == 401 and again:
            visit.place = f"/console/sign-in/?next={quote(place, safe='/')}"
            given = sign_in_view.UNTRIED | {"next": place, "again": again}
            return visit.render("sign_in.html", status=401, **given)
        elif problem.status == 401:
            return _signed_out(request, visit)
        else:
            values = {"request_id": request_id, "form_path": place, "again": again}
            response = visit.render(
                "problem.html", block="toast", status=problem.status, problem=problem, **values
            )
        kept = {name: value for name, value in problem.headers.items() if name != "Accept"}
        response.headers.update(kept)
        if visit.fragment:
            response.headers["HX-Retarget"] = "#toasts"
            response.headers["HX-Reswap"] = "beforeend"
        return response


def _row(rows: Mapping[str, Page], method: str) -> Page:
    page = rows.get("GET" if method == "HEAD" else method)
    if page is None:
        allow = ", ".join(sorted({*rows, *(["HEAD"] if "GET" in rows else [])}))
        raise Problem(
            405, "method_not_allowed", "This page is not asked so.", headers={"Allow": allow}
        )
    return page


def _static(request: Request, raw: bytes) -> Response:
    request.scope[TEMPLATE] = _STATIC
    _, _, rest = raw.decode("ascii", "replace").partition(files.PREFIX)
    version, _, name = rest.partition("/")
    if request.method not in ("GET", "HEAD"):
        raise Problem(405, "method_not_allowed", "A file is only read.", headers={"Allow": "GET"})
    return files.show_file(request, version, name)


def _signed_out(request: Request, visit: Visit) -> Response:
    # As it came: of octets that are no URL, such as a bare 0xFF, `request.url` cannot be made.
    query = request.scope["query_string"].decode("ascii", "replace")
    if visit.fragment and "follow=" not in query:
        headers = {"HX-Trigger": "postroom:signed-out", "HX-Reswap": "none"}
        return Response(status_code=401, headers=headers)
    # An EventSource cannot show a page: this ends it without the request for one.
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    place = f"{visit.path}?{query}" if query else visit.path
    if request.method not in ("GET", "HEAD"):
        place = _form_path(request)
    target = f"/console/sign-in/?next={quote(place, safe='/')}" if place else "/console/sign-in/"
    return Response(status_code=303, headers={"Location": target})


def _form_path(request: Request) -> str:
    """The page that a form was on: it cannot be sent again by a link."""
    try:
        place = urlsplit(request.headers.get("referer", "")).path
    except ValueError:  # brackets around what is no address
        return ""
    return place if request.method == "POST" and place.startswith("/console/") else ""


def _pack(request: Request, response: Response) -> None:
    """Compress a page, unless another site had it asked for.

    Whoever can have a page made with words of their own, again and again, and see its length could
    guess what else is in it (BREACH). Only pages of ours ask from the same origin, and only the
    person at the browser from none.
    """
    headers = request.headers
    body = getattr(response, "body", b"")
    may_pack = (
        headers.get("sec-fetch-site") in ("same-origin", "none")
        and "gzip" in headers.get("accept-encoding", "").lower()
    )
    if isinstance(response, PackedPage):
        if not may_pack:
            response.unpack()
    elif (
        may_pack
        and response.headers.get("content-type", "").startswith("text/html")
        and len(body) > _WORTH_PACKING
        and "content-encoding" not in response.headers
    ):
        response.body = gzip.compress(bytes(body), 6, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
