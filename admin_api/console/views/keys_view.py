"""The page that tells the keys; `?` shows it in a dialog."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.visit import Visit

_KEYS = """
Everywhere:
    /           search
    ?           these keys
    Ctrl+K      palette: all acts and pages by name
    g i         Inbox
    g u         Unread
    g m         Mine
    g n         Unassigned
    C           new letter
    g a         letters of agents to approve
    g s         switch the inbox
    z           undo
    Esc         close what is open; in a thread: back to the list
Threads chosen in a list, or the one that is open:
    a           assign: type a name, Enter
    h           hand off with a note: type a name, Enter, the note, Ctrl+Enter
    i           take it myself
    A           assign to nobody
    c           close for everybody and archive for me, or open again
    e           archive, for me only
    #           trash
    !           junk
    s           flag
    I U         read, unread
In a list:
    j k         next, previous thread
    Enter o     open it
    x X         choose it; all up to it
    * a         choose all shown
In a thread:
    u           back to the list, on the row it came from
    j k         next, previous thread of the list
    , .         previous, next message
    ;           open or fold all messages
    v           text, HTML, headers, raw
    w           why did I get this
    d           contact
    r           reply; without a smarthost in your mail program
    R           reply to all
    n           write a note
    @           in a note: mention a teammate
    Ctrl+Enter  save the note
"""
# Of what is there only where letters leave.
_OF_LETTERS = frozenset(("C", "g a", "R"))


async def show_keys(call: Call, visit: Visit) -> Response:
    """GET /console/keys/."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for line in _KEYS.strip().split("\n"):
        keys, text = line[4:16].strip(), line[16:]
        if not line.startswith(" "):
            rows = tables[line.rstrip(":")] = []
        elif visit.sends or keys not in _OF_LETTERS:
            rows.append((keys, text))
    return visit.render("keys.html", tables=tables)
