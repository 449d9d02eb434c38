"""One message: its text, its HTML in a frame, its header, its octets, its files, and why it came.

- The frame is shown only as a frame: opened by itself it leads to the thread.
- Files and octets are the API's own responses: a browser saves them, never shows them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from starlette.responses import HTMLResponse, Response, StreamingResponse

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console import looks, words
from admin_api.console.inside import ask, members_of, path_of, response_of
from admin_api.console.thread import frame, plain_text
from admin_api.console.thread.sender_words import sentences
from admin_api.console.thread.time_line import facts
from admin_api.console.visit import Visit, inbox_path

MESSAGE = "/v1/messages/{}/"
VIEWS = ("text", "html", "headers", "raw")
MOST_RAW = 256 << 10
MOST_PICTURE = 5 << 20


async def message_values(call: Call, visit: Visit, message_id: str) -> dict[str, Any]:
    """Return what the template of a message wants: the record, and its text in pieces."""
    message = await ask(call, "GET", path_of(MESSAGE, message_id), inbox=visit.inbox)
    text = message["text_body"] or ""
    asked, sender = visit.query.get("view", ""), message["from"]["email"]
    has_page_alone = message["html_body"] and (not text or message["text_from_html"])
    kept = looks.view_of(call.request, sender) if message["html_body"] else ""
    shown = asked if asked in VIEWS else kept or ("html" if has_page_alone else "text")
    if visit.fragment and asked in looks.VIEWS:  # a link elsewhere cannot choose it
        visit.cookies.append(looks.view_cookie(call.request, sender, asked))
    wanted = visit.query.get("field", "").strip()
    return {
        "message": message,
        "view": shown,
        "wanted": wanted,
        "fields": [
            one
            for one in message["headers"]
            if wanted.lower() in f"{one['name']}: {one['value']}".lower()
        ],
        "blocks": plain_text.blocks(text),
        "is_cut": plain_text.is_cut(text),
        "facts": facts(message),
        "lacks": shown == "html" and frame.lacks_pictures(message["html_body"] or ""),
        "sender": sentences(message["authentication"]),
        "at": inbox_path(visit.inbox, f"messages/{message_id}/"),
        "files": [one for one in message["attachments"] if not _is_in_text(message, one)],
        "pictures": [
            one["attachment_id"]
            for one in message["attachments"]
            if one["content_type"].lower() in frame.IMAGES and one["size"] <= MOST_PICTURE
        ],
    }


def _is_in_text(message: Mapping[str, Any], file: Mapping[str, Any]) -> bool:
    """Whether a file is a picture that the HTML shows in its place."""
    name = file["content_id"]
    return bool(
        name and file["inline"] and f"cid:{name.strip('<>')}" in (message["html_body"] or "")
    )


async def show_body(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/messages/{message_id}/body/: with `view` text, html, headers or raw.

    With `field`, of the headers those that hold it.
    """
    values = await message_values(call, visit, visit.arguments["message_id"])
    raw = b""
    if values["view"] == "raw":
        raw = await _beginning(await show_raw(call, visit))
    # Each line of a letter ends with both: only a CR that stands alone is worth a mark.
    shown = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    return await _shown(call, visit, values, raw=shown)


async def _shown(
    call: Call,
    visit: Visit,
    values: Mapping[str, Any],
    *,
    raw: str = "",
    why: object = None,
    since: object = None,
) -> Response:
    here = await ask(call, "GET", path_of("/v1/inboxes/{}/", visit.inbox))
    message = values["message"]
    return visit.render(
        "message.html",
        block="body",
        message=message,
        values=values,
        raw=raw,
        why=why,
        since=since,
        is_admin=is_admin(call.caller),
        when=partial(words.moment, zone=here["default_timezone"], now=call.now),
        thread_path=inbox_path(visit.inbox, f"threads/{message['thread_id']}/"),
    )


async def show_frame(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/messages/{message_id}/html/."""
    path = path_of(MESSAGE, visit.arguments["message_id"])
    message = await ask(call, "GET", path, inbox=visit.inbox)
    # By itself a stranger's HTML would fill a whole page at our address.
    if call.request.headers.get("sec-fetch-dest", "iframe") != "iframe":
        thread = inbox_path(visit.inbox, f"threads/{message['thread_id']}/")
        return visit.redirect(f"{thread}#i-{message['message_id']}")
    at = inbox_path(visit.inbox, f"messages/{message['message_id']}/attachments/")
    images = frame.image_paths(message["attachments"], at=at)
    html = frame.document(message["html_body"] or "", images=images)
    return HTMLResponse(html, headers=dict(frame.HEADERS))


async def show_raw(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/messages/{message_id}/raw/: the message as a file."""
    path = path_of(MESSAGE + "raw/", visit.arguments["message_id"])
    return await response_of(call, "GET", path, inbox=visit.inbox)


async def _beginning(response: Response) -> bytes:
    """Return the first octets of a response, and stop reading it."""
    stream = cast(StreamingResponse, response).body_iterator
    found = bytearray()
    # Closed here: the file stays open, and the rest unread, until the generator is.
    async with aclosing(cast(AsyncGenerator[bytes], stream)) as chunks:
        async for chunk in chunks:
            found += chunk
            if len(found) >= MOST_RAW:
                break
    return bytes(found[:MOST_RAW])


async def show_file(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/messages/{message_id}/attachments/{attachment_id}/."""
    path = path_of(
        MESSAGE + "attachments/{}/", visit.arguments["message_id"], visit.arguments["attachment_id"]
    )
    return await response_of(call, "GET", path, inbox=visit.inbox)


async def show_why(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/messages/{message_id}/why/: the ways by which the copy came.

    With `all`, for admins: all copies, of which the API keeps a record in the audit log.
    """
    path = path_of(MESSAGE + "deliveries/", visit.arguments["message_id"])
    own = None if visit.query.get("all") and is_admin(call.caller) else visit.inbox
    why = await ask(call, "GET", path, inbox=own)
    lists = {one["list_id"] for copy in why["deliveries"] for one in copy["via"]} - {None}
    since = {one: await members_of(call, one) for one in lists}
    values = await message_values(call, visit, visit.arguments["message_id"])
    return await _shown(call, visit, values | {"view": "why"}, why=why, since=since)
