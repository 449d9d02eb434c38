"""Nothing of a note, an assignment, a task, a card or a template reaches anybody outside the team.

Each gets a word of its own that stands nowhere else; then everything that others can get is
searched for it: the gateway's side of SMTP, the letters that leave, the stored messages, another
tenant's answers, the log.
"""

import time
from collections.abc import Callable

from tests.support.mailbox import Api, Mailbox, Record
from tests.support.sending_kills import smarthost_beside
from tests.support.server import Server
from tests.support.smarthost import RecordingSmarthost
from tests.support.smtp import SmtpClient, message

WORDS = [
    *("CANARYnote", "CANARYassign", "CANARYhandoff", "CANARYtemplate", "CANARYcontext"),
    *("CANARYtask", "CANARYcard"),
]
WRITER = "sender@client.example"  # of the message that is answered


class Listening(SmtpClient):
    """A client that keeps every line it hears."""

    def __init__(self, server: Server) -> None:
        self.heard: list[str] = []
        super().__init__(server.demo.smtp)

    def line(self) -> str:
        self.heard.append(super().line())
        return self.heard[-1]


def mail(server: Server, subject: str, headers: bytes = b"") -> str:
    """Send a message to the team and to an address that is none; all that was heard."""
    with Listening(server) as client:
        client.greet(name="client.example")
        client.command("VRFY team@example.test")
        content = message(subject, headers=headers)
        assert client.deliver(content, ["team@example.test"]).code == 250
        client.begin(["unknown@example.test"])
        client.command("HELP")
        client.quit()
        return "\n".join(client.heard)


def work(server: Server, sales: Mailbox, agent: str) -> None:
    """Put each word where the team may see it."""
    (thread,) = sales.get("/v1/messages/threads/")["results"]
    path = f"/v1/messages/threads/{thread['thread_id']}/"
    note, assign, handoff, template, context, task, card = WORDS
    owner = server.owner()
    body: Record
    named = {"inbox_id": sales.address, "thread_id": thread["thread_id"]}
    person = {"full_name": card, "emails": [{"label": "work", "address": WRITER}]}
    for api, method, where, body in (
        (sales, "POST", path + "notes/", {"body": note, "mentions": [agent]}),
        (sales, "POST", path + "assign/", {"to": agent, "note": assign}),
        (sales, "POST", path + "handoff/", {"to": agent, "note": handoff}),
        (owner, "POST", "/v1/tasks/", {"title": task, "description": task, **named}),
        (owner, "POST", "/v1/contacts/", {"inbox_id": sales.address, "notes": card, **person}),
        (owner, "POST", "/v1/templates/", {"name": template, "body": template + " {x}"}),
    ):
        answer = api.call(method, where, body)
        assert answer.status in (200, 201), answer
    made = answer.json()["template_id"]
    answer = sales.call("POST", f"/v1/templates/{made}/", {"context": {"x": context}})
    assert context in answer.body.decode()
    # What is wrong is not repeated in the log either.
    assert sales.call("POST", path + "notes/", {"body": note, note: note}).status == 400
    assert sales.call("POST", path + "assign/", {"to": assign, "note": assign}).status == 400
    owner.close()


def letters(server: Server, host: RecordingSmarthost, sales: Mailbox) -> bytes:
    """Answer everybody with all that the composer can put in; what the smarthost heard."""
    asked = sales.newest(1)[0]["message_id"]
    deadline = time.monotonic() + 30
    while sales.get(f"/v1/messages/{asked}/")["parse_status"] == "pending":
        assert time.monotonic() < deadline, server.log_tail()  # there is nothing to quote yet
        time.sleep(0.05)
    answer: Record = {
        "inbox_id": sales.address,
        "reply_to_message_id": asked,
        "reply_all": True,
        "quote": "last",
        "text_body": "In March.",
        "bcc": [{"email": WRITER}],
        "undo_seconds": 0,
    }
    new: Record = {key: answer[key] for key in ("inbox_id", "bcc", "text_body", "undo_seconds")}
    with server.owner() as owner:
        for body in (answer, new):
            made = owner.call("POST", "/v1/messages/", body)
            assert made.status == 201, made
    while len(host.taken) < 2:
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.05)
    return "\n".join(host.lines).encode() + b"".join(one.octets for one in host.taken)


def other_tenant(server: Server) -> str:
    """Everything that an inbox of another tenant can read."""
    server.operator("tenant", "create", "Other")
    server.operator("domain", "trust", "other.test", "--tenant", "Other")
    server.operator("inbox", "create", "desk@other.test", "--tenant", "Other")
    scopes = "email:read,email:write,task:read"
    made = server.operator("token", "create", "desk@other.test", "--label", "x", "--scopes", scopes)
    with Api(server.demo.http, made["token"]) as api:
        paths = ("messages/", "messages/threads/", "agenda/", "templates/", "inboxes/")
        return "".join(api.call("GET", f"/v1/{path}").body.decode() for path in paths)


def test_no_word_of_the_team_gets_out(own_server: Callable[..., Server]) -> None:
    with smarthost_beside() as host:
        smarthost = {"smarthost": f"127.0.0.1:{host.port}", "smarthost_tls": "none"}
        no_word_gets_out(own_server({"log_level": "debug", **smarthost}), host)


def no_word_gets_out(server: Server, host: RecordingSmarthost) -> None:
    heard = mail(server, "first", b"Message-ID: <1@client.example>\r\n")
    sales, *others = server.mailboxes()
    work(server, sales, others[-1].address)
    heard += mail(server, "second", b"In-Reply-To: <1@client.example>\r\n")
    everybodys = [sales, *others]
    left = letters(server, host, sales)
    assert b"Sender wrote:" in left and b"> Hello." in left
    stored = b"".join(
        mailbox.raw(item["message_id"]) for mailbox in everybodys for item in mailbox.every()
    )
    abroad = other_tenant(server)
    for mailbox in everybodys:
        mailbox.close()
    server.stop()
    logs = "".join(path.read_text() for path in server.folder.glob("*.log"))
    assert "accepted" in logs
    for word in WORDS:
        assert word not in heard
        assert word.encode() not in left
        assert word.encode() not in stored
        assert word not in abroad
        assert word not in logs
