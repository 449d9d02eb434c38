"""Threads to look at: mail in all its kinds, notes, acts, a card, a share."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import quote

from tests.builders import AGENT, SALES, SUPPORT, TEAM, World, receive
from tests.support.post_room import parse_waiting

# The smallest picture there is: one pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000ff0000ffffff21f90400000000002c00000000010001000002024401003b"
)
HTML = """<h2 style="color:#1f5fa8">Our offer</h2><p>Dear team, <b>see</b>
<a href="https://shop.example/a?b=c&amp;d=e">the offer</a>.</p>
<p><img src="cid:logo@shop" alt="Logo" width="20"> <img src="cid:gone@shop" alt="A lost picture">
<img src="https://track.example/p.gif" alt=""></p>
<table width="700"><tr><td>wide</td></tr></table>"""


@dataclass(frozen=True)
class Shown:
    """A thread of an inbox, by the address that looks at it."""

    inbox: str
    thread_id: str
    message_ids: list[str]

    @property
    def path(self) -> str:
        return f"/console/{quote(self.inbox, safe='@')}/threads/{self.thread_id}/"

    def message(self, place: int, rest: str = "") -> str:
        inbox = quote(self.inbox, safe="@")
        return f"/console/{inbox}/messages/{self.message_ids[place]}/{rest}"


def mail(
    text: str,
    *,
    subject: str = "Renewal of our contract",
    sender: str = "Grace Hopper <grace@sender.test>",
    to: str = f"Team <{TEAM}>, Ada <ada@else.test>",
    answers: str = "",
    name: str = "",
    html: str = "",
    file: str = "",
) -> bytes:
    """A letter as mail programs write it."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made["Date"] = "Fri, 15 Jan 2027 08:00:00 +0000"
    if name:
        made["Message-ID"] = name
    if answers:
        made["In-Reply-To"] = answers
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
        part = made.get_payload()[1]  # type: ignore[index]
        part.add_related(PIXEL, "image", "gif", cid="<logo@shop>")  # type: ignore[union-attr]
    if file:
        made.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename=file)
        made.add_attachment(PIXEL, maintype="image", subtype="gif", filename="picture.gif")
    return made.as_bytes().replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n")


async def parsed(world: World) -> None:
    """Do the work of the parser."""
    await parse_waiting(world.database, world.clock())


async def whole_thread(
    world: World, letters: list[bytes], *recipients: str, inbox: str = SUPPORT
) -> Shown:
    """Receive letters of one thread, parsed, as `inbox` sees them."""
    ids = [await receive(world, *recipients, body=body) for body in letters]
    await parsed(world)
    async with world.client(inbox) as api:
        found = (await api.get(f"/v1/messages/{ids[0]}/")).json()
    return Shown(inbox, found["thread_id"], ids)


async def busy_thread(world: World) -> Shown:
    """A thread with text, HTML, files, notes, an assignment, a card, a share and tasks."""
    quote_of = "\n".join(f"> line {n} of what was said" for n in range(6))
    first = mail("Does it renew? See https://example.org/a_(b).\n", name="<one@sender.test>")
    letters = [
        first,
        mail(f"It does.\n\n{quote_of}\n", answers="<one@sender.test>", sender=f"Sal <{SALES}>"),
        mail("Plain.", answers="<one@sender.test>", html=HTML, file="prices 2027.csv"),
    ]
    shown = await whole_thread(world, letters, TEAM, SUPPORT)
    at = f"/v1/messages/threads/{shown.thread_id}/"
    async with world.client(SUPPORT) as api:
        note = {"body": "Sales, please look at this.", "mentions": [SALES]}
        assert (await api.post(at + "notes/", json=note)).status_code == 201
        assert (await api.post(at + "assign/", json={"to": SALES})).status_code == 200
        card = {
            "full_name": "Grace Hopper",
            "organization": "Navy",
            "emails": [{"label": "work", "address": "grace@sender.test"}],
            "phones": [{"label": "desk", "number": "+1 555 0100"}],
            "notes": "Prefers mornings.",
            "labels": ["vip"],
        }
        assert (await api.post("/v1/contacts/", json=card)).status_code == 201
        task = {"title": "Call Grace back", "thread_id": shown.thread_id}
        assert (await api.post("/v1/tasks/", json=task)).status_code == 201
    async with world.client(AGENT) as api:
        share = {
            "type": "request",
            "to_inbox_id": world.ids[SUPPORT],
            "contact_address": "grace@sender.test",
        }
        assert (await api.post("/v1/contacts/shares/", json=share)).status_code == 201
    return shown
