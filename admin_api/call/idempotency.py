"""Idempotency-Key: a POST that is sent again has its effect once and gets the first answer.

- The same credential, method, path, query and key are the same call; another body is 409. A token
  that was rotated is another credential.
- The caller's rights, and the acting inbox, are checked first, every time. So a 403 is not kept,
  also where only the handler finds it (a letter's list, its recipients): kept, it would be an
  answer about rights that nobody checked.
- The handler runs within the transaction that keeps its answer, so that a crash leaves both or
  neither. A handler that waits for more than the store (a password's hash, the DNS) cannot; there
  the answer is kept right after, and what such calls do is the same when it is done twice.
- Kept for 24 hours: answers below 500 but for 401, 403 and 429, without the secrets they showed.
- An answer over `MOST` octets is kept as status and id of the resource: it is replayed with the
  resource as it is then. One without a resource is kept with its arrays cut to what fits.
- A tenant that has no room for another key is answered 429 `too_many_keys`.
- A POST that changes nothing runs again; nothing of it is kept.
- Keys and bodies are kept as hashes that are keyed with the credential, which is nowhere kept.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b

import orjson
from starlette.requests import Request
from starlette.responses import Response

from admin_api.call import etags
from admin_api.call.call import Call, acting_inbox
from admin_api.call.router import Route, Shown
from admin_api.call.store_wrappers import HookedDatabase, JoinedTransaction
from admin_api.http.problems import MEDIA_TYPE, Problem, problem_of, response_of
from storage.accounts import idempotency_keys
from storage.accounts.idempotency_keys import KeptAnswer, KeyClaim, NoRoom
from storage.database import Tx
from storage.errors import FieldFault, Invalid, StoreUnavailable

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
SECRETS = ("token", "secret", "webhook_secret", "password", "access_token")

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
# Right and limit may be there a minute later: kept, the refusal would outlive its reason.
_NOT_KEPT = (401, 403, 429)
MOST = 16 << 10

Respond = Callable[[Call], Awaitable[Response]]


def sent_with(request: Request) -> str | None:
    """Return the key that came with a request: None without one, "" for more than one."""
    given = request.headers.getlist(HEADER)
    return None if not given else given[0] if len(given) == 1 else ""


def takes_key(route: Route) -> bool:
    """Whether a key counts for this route."""
    return (
        route.method == "POST"
        and route.changes
        and route.access.caller != "anybody"
        and not route.path.startswith("/auth/")
    )


async def require_room(call: Call) -> None:
    """Raises Problem 429 `too_many_keys`: before a large body is read for nothing."""
    key = _hashed_key(call)

    async def ask(tx: Tx) -> NoRoom | None:
        return await idempotency_keys.no_room(tx, tenant_id=call.tenant_id, key=key, now=call.now)

    full = await call.database.read(ask)
    if full is not None:
        raise _too_many_keys(full)


def _too_many_keys(full: NoRoom) -> Problem:
    return Problem(
        429,
        "too_many_keys",
        "This tenant has used as many Idempotency-Keys in 24 hours as are kept.",
        headers={"Retry-After": str(full.seconds)},
    )


async def once(route: Route, call: Call, content: object, respond: Respond) -> Response:
    """Run `respond` once for a key; later answers are the first. `content` is query and body."""
    key, body = _hashed_key(call), _hashed_body(call, content)

    async def claim(tx: Tx) -> KeyClaim | KeptAnswer | NoRoom:
        return await idempotency_keys.claim_key(
            tx, tenant_id=call.tenant_id, key=key, body=body, now=call.now
        )

    found = await call.database.write(claim)
    if isinstance(found, NoRoom):
        raise _too_many_keys(found)
    if isinstance(found, KeptAnswer):
        # The kept answer shows the inbox's data, for which the caller may no longer act.
        if route.access.acts and call.inbox_names:
            await call.database.read(lambda tx: acting_inbox(tx, call))
        return await _replay(route, call, found)
    try:
        return await (_apart if route.waits else _whole)(route, call, found, respond)
    except Exception as error:
        await _settle(call, found, error)
        raise


def _hashed_key(call: Call) -> bytes:
    """Raises Invalid for a key that is none."""
    if call.key is None or not _KEY.fullmatch(call.key):
        raise Invalid(FieldFault(HEADER, "must be 1 to 255 printable ASCII characters"))
    # Both forms of a path are one call.
    path = call.request.scope["raw_path"].removesuffix(b"/")
    named = b"\n".join((call.request.method.encode(), path, call.key.encode()))
    return blake2b(named, key=_lock(call), digest_size=32).digest()


def _hashed_body(call: Call, content: object) -> bytes:
    # Sorted: a client that retries may write its fields in another order.
    sent = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return blake2b(sent, key=_lock(call), digest_size=32).digest()


def _lock(call: Call) -> bytes:
    # From a plain hash in a stolen store, a short body could be guessed; not from a keyed one.
    return blake2b(call.secret.encode(), digest_size=32, person=b"idempotency").digest()


async def _whole(route: Route, call: Call, claim: KeyClaim, respond: Respond) -> Response:
    """Effect and answer in one transaction."""

    async def work(tx: Tx) -> Response:
        response = await respond(replace(call, store=JoinedTransaction(tx)))
        await idempotency_keys.keep_answer(tx, claim, _kept(route, response))
        return response

    return await call.database.write(work)


async def _apart(route: Route, call: Call, claim: KeyClaim, respond: Respond) -> Response:
    """The effect, unless somebody took the claim over; then the answer."""

    async def held(tx: Tx) -> None:
        await idempotency_keys.renew_claim(tx, claim, now=call.service.clock())

    # `held` fails if a retry took the claim over: the effect must not happen twice.
    response = await respond(replace(call, store=HookedDatabase(call.database, after=held)))
    await _keep(call, claim, _kept(route, response))
    return response


async def _settle(call: Call, claim: KeyClaim, error: Exception) -> None:
    """Keep what was refused, or let go of what may go well another time."""
    problem = problem_of(error)
    with suppress(StoreUnavailable):  # then the claim expires by itself
        if problem.status >= 500 or problem.status in _NOT_KEPT:
            await call.database.write(lambda tx: idempotency_keys.release_claim(tx, claim))
        else:
            await _keep(call, claim, _kept(None, response_of(problem)))


async def _keep(call: Call, claim: KeyClaim, kept: KeptAnswer) -> None:
    await call.database.write(lambda tx: idempotency_keys.keep_answer(tx, claim, kept))


def _kept(route: Route | None, response: Response) -> KeptAnswer:
    """The answer as it may be shown again."""
    body = bytes(response.body)
    document = orjson.loads(body) if body else None
    # Answers are stored in clear, a token otherwise as a hash only.
    if isinstance(document, dict) and any(isinstance(document.get(name), str) for name in SECRETS):
        hidden = {name: None for name in SECRETS if isinstance(document.get(name), str)}
        body = orjson.dumps(document | hidden)
    if len(body) <= MOST:
        return KeptAnswer(response.status_code, body)
    shown = route.shown if route is not None else None
    if shown is not None and isinstance(document, dict):
        return KeptAnswer(response.status_code, b"", str(document[shown.field]))
    return KeptAnswer(response.status_code, _cut(document))


def _cut(document: object) -> bytes:
    """Cut an answer to size: its arrays are halved until it fits."""
    while len(body := orjson.dumps(document)) > MOST:
        lists = isinstance(document, dict) and any(
            isinstance(value, list) and value for value in document.values()
        )
        if not lists or not isinstance(document, dict):
            return b""
        document = {
            name: value[: len(value) // 2] if isinstance(value, list) else value
            for name, value in document.items()
        }
    return body


async def _replay(route: Route, call: Call, kept: KeptAnswer) -> Response:
    if kept.resource is not None and route.shown is not None:
        return await _show_again(route.shown, call, kept.status, kept.resource)
    media_type = MEDIA_TYPE if kept.status >= 400 else "application/json"
    response = Response(
        kept.body,
        kept.status,
        headers={REPLAYED: "true"},
        media_type=media_type if kept.body else None,
    )
    etags.tag_new(route, response)
    return response


async def _show_again(shown: Shown, call: Call, status: int, resource: str) -> Response:
    """The answer with the resource as it is now."""
    call = replace(call, arguments={**call.arguments, shown.argument: resource})
    tag = None
    if shown.version is not None:
        version = shown.version
        # Before the body is made: an older tag on a newer body costs a retry, not an update.
        tag = etags.tag_of(await call.database.read(lambda tx: version(tx, call)))
    response = await shown.handler(call)
    response.status_code = status
    response.headers[REPLAYED] = "true"
    if tag is not None:
        response.headers["ETag"] = tag
    return response
