"""Filters of the message list.

- Without `folder` it is the inbox, or the folder that `in:` in `q` names; `all` is every folder.
- `from` is an address, or words of the sender's name.
- `verdict` are results of checking the sender; a message that was not checked yet has none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from admin_api.call.call import Call
from admin_api.call.paging import Cursor
from admin_api.call.references import KnownList, VisibleThread, known_list, visible_thread
from admin_api.http.payload import Limit, Parameters, Truth, checked
from storage.address import parse_address
from storage.authentication.results import VERDICTS
from storage.database import Tx
from storage.errors import Invalid
from storage.ids import to_text
from storage.index.query import FOLDERS, instant, parse_query, with_lists, with_span, with_words
from storage.index.query import Query as Asked
from storage.mailbox.search import SearchFilter

# Where a copy can be moved to; in `sent` are the copies of letters alone.
Folder = Literal["inbox", "archive", "junk", "trash"]
AnyFolder = Literal["inbox", "archive", "junk", "trash", "sent"]
MAX_QUERY = 1_000


def _moment(text: str) -> str:
    try:
        instant(text, field="")
    except Invalid:
        raise ValueError("must be a date, or a date-time with an offset") from None
    return text


Query = Annotated[str, Field(max_length=MAX_QUERY), checked(parse_query)]
Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]


def verdicts_in(text: str) -> tuple[str, ...]:
    """The verdicts in a list with commas, each once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(","))) if text else ()


def _verdicts(text: str) -> str:
    if not {*verdicts_in(text)} <= {*VERDICTS}:
        raise ValueError(f"must be of {', '.join(VERDICTS)}, with commas between")
    return text


Verdicts = Annotated[str, Field(max_length=100), AfterValidator(_verdicts)]


class Listing(Parameters):
    """The parameters of the message list."""

    folder: Literal["inbox", "archive", "junk", "trash", "sent", "all"] = "inbox"
    q: Query = ""
    unread: Truth | None = None
    sender: Annotated[str, Field(alias="from", max_length=320)] = ""
    list_id: KnownList | None = None
    thread_id: VisibleThread | None = None
    has_attachment: Truth | None = None
    verdict: Verdicts = ""
    after: Moment | None = None
    before: Moment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is one folder, read or unread, and nothing else."""
        given = self.model_fields_set - {"folder", "unread", "limit", "cursor"}
        return not given and self.folder != "all"

    async def filters(self, tx: Tx, call: Call) -> SearchFilter:
        """Build the search filter. Raises Invalid for an unknown list or thread."""
        thread_id = None
        if self.thread_id is not None:
            thread_id = await visible_thread(tx, call, "thread_id", self.thread_id)
        query = parse_query(self.q, with_words(Asked(), "sender", self.sender))
        if self.list_id is not None:
            list_id = await known_list(tx, call, "list_id", self.list_id)
            query = with_lists(query, to_text("lst", list_id))
        query = with_span(query, _instant(self.after), _instant(self.before))
        if self.has_attachment is not None:
            query = replace(query, has_attachment=self.has_attachment)
        return SearchFilter(
            query=query,
            folders=self._folders(query),
            is_read=None if self.unread is None else not self.unread,
            thread_id=thread_id,
            from_email=_address(self.sender),
            verdicts=verdicts_in(self.verdict),
        )

    def _folders(self, query: Asked) -> tuple[str, ...]:
        is_left_out = "folder" not in self.model_fields_set
        if self.folder == "all" or (is_left_out and query.folders):
            return FOLDERS
        return (self.folder,)


def _instant(text: str | None) -> int | None:
    return None if text is None else instant(text, field="")


def _address(text: str) -> str | None:
    try:
        return parse_address(text).text.lower() if "@" in text else None
    except ValueError:
        return None
