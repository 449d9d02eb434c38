"""Makes the small store of a release that `test_released_stores` opens with the present code.

Give it a worktree at the release's tag, in which `make` was run:

    python -m tests.storage.migrations.released.make_store ../v0.1.0 v0_1_0

It leaves in the folder of that name beside it, for each engine:

- the store: `sqlite.tar.xz`, the data directory, or `postgresql.sql`, a dump, and
  `postgresql.tar.xz`, its content files;
- `<engine>.json`: the time, and every answer of the API then, by credential and path.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

from tests.support import server as running
from tests.support.mailbox import Api, Mailbox, Record
from tests.support.postgres_server import PLACES, PostgresServer
from tests.support.server import Server

OF_AN_INBOX = (
    "/v1/me/",
    "/v1/inboxes/",
    "/v1/messages/",
    "/v1/messages/?folder=archive",
    "/v1/messages/?folder=trash",
    "/v1/messages/?q=pump",
    "/v1/messages/threads/",
    "/v1/agenda/?include_completed=true",
    "/v1/templates/",
    "/v1/contacts/",
    "/v1/contacts/shares/",
    "/v1/contacts/shares/?direction=outgoing",
    "/v1/contacts/shares/?status=accepted",
    "/v1/activity/?address=ada@client.example",
    "/v1/relationships/",
    "/v1/distribution-lists/",
    "/v1/alerts/",
    "/v1/events/",
)
OF_AN_OWNER = ("/v1/users/", "/v1/domains/", "/v1/tokens/", "/v1/inboxes/", "/v1/audit-log/")
_PAGE = 2000
PICTURE = bytes(range(256)) * 4


def main(tree: Path, folder: Path) -> None:
    """Make the store on both engines with the release that is checked out in `tree`."""
    running.ROOT, sys.executable = tree, str(tree / ".venv/bin/python")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, Server(Path(place) / "embedded") as server:
        _make(server, folder, "sqlite")
        _pack(server.store, folder / "sqlite.tar.xz")
    postgres = PostgresServer()
    postgres.start()
    try:
        with tempfile.TemporaryDirectory() as place:
            settings = {"store": postgres.url()}
            with Server(Path(place) / "server", settings) as server:
                _make(server, folder, "postgresql")
                _pack(server.store, folder / "postgresql.tar.xz")
        (folder / "postgresql.sql").write_text(_dump(postgres.url()))
    finally:
        postgres.remove()


def _make(server: Server, folder: Path, engine: str) -> None:
    server.start_demo()
    _second_tenant(server)
    _mail(server)
    _work(server)
    answers = _read(server)
    server.stop()
    (folder / f"{engine}.json").write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")


def _second_tenant(server: Server) -> None:
    """Another tenant of the same name, as v0.1.0 allowed."""
    made = server.operator("tenant", "create", "Example")["tenant_id"]
    server.operator("domain", "trust", "other.test", "--tenant", made)
    server.operator("inbox", "create", "desk@other.test", "--tenant", made)
    with server.client() as client:
        reply = client.deliver(_letter("Elsewhere", "desk@other.test", "1"), ["desk@other.test"])
        assert reply.code == 250, reply


def _mail(server: Server) -> None:
    team, support = server.demo.team, server.demo.inboxes[1]["address"]
    large = b"\r\n".join([b"The pump drips again. " * 3] * 8000) + b"\r\n"
    with server.client() as client:
        for content, to in (
            (_letter("The pump drips", team, "1"), team),
            (_letter("Re: The pump drips", team, "2", "1"), team),
            (_letter("Invoice", support, "3"), support),
            (_with_attachment(team), team),
            (_letter("Log of the pump", team, "5", body=large), team),
            (_letter("To be thrown away", team, "6"), team),
        ):
            reply = client.deliver(content, [to], sender="ada@client.example")
            assert reply.code == 250, reply
    first = server.mailboxes()[0]
    _until(lambda: len(first.newest()) == 5 and all(_parsed(first, one) for one in first.newest()))


def _letter(
    subject: str, to: str, number: str, answers: str = "", *, body: bytes = b"Please look.\r\n"
) -> bytes:
    head = (
        f"From: Ada Lovelace <ada@client.example>\r\nTo: {to}\r\n"
        f"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\nMessage-ID: <{number}@client.example>\r\n"
    )
    if answers:
        head += f"In-Reply-To: <{answers}@client.example>\r\n"
    return f"{head}Subject: {subject}\r\n\r\n".encode() + body


def _with_attachment(to: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Bob <bob@client.example>", to
    mail["Subject"] = "Zähler und Pumpe"
    mail["Message-ID"] = "<4@client.example>"
    mail.set_content("Ein Bild der Pumpe.\n")
    mail.add_alternative("<p>Ein <b>Bild</b> der Pumpe.</p>\n", subtype="html")
    mail.add_attachment(PICTURE, maintype="image", subtype="png", filename="pump.png")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def _parsed(box: Mailbox, item: Record) -> bool:
    text: str | None = box.get(f"/v1/messages/{item['message_id']}/").get("text_body")
    return bool(text)


def _work(server: Server) -> None:
    """Notes, tasks, cards and all else that people and agents leave in a store."""
    sales, support, agent = server.mailboxes()
    ids = [record["inbox_id"] for record in server.demo.inboxes]
    by_subject = {item["subject"]: item for item in sales.newest()}
    pump, thrown = by_subject["The pump drips"], by_subject["To be thrown away"]
    _change(sales, f"/v1/messages/{pump['message_id']}/", {"is_read": True, "is_flagged": True})
    _change(sales, f"/v1/messages/{thrown['message_id']}/", {"folder": "trash"})
    picture = by_subject["Zähler und Pumpe"]["message_id"]
    _change(support, f"/v1/messages/{picture}/", {"folder": "archive"})
    thread = f"/v1/messages/threads/{pump['thread_id']}/"
    _post(sales, thread + "notes/", {"body": "Seen before.", "mentions": [support.address]})
    _post(support, thread + "notes/", {"body": "A seal is worn. \U0001f527"})
    _post(sales, thread + "assign/", {"to": support.address, "note": "yours"})
    _change(agent, f"/v1/messages/threads/{thrown['thread_id']}/", {"status": "closed"})
    _post(sales, "/v1/tasks/", {"title": "Call Ada", "due_at": "2030-01-02T03:04:05Z"})
    _cards(sales, support, ids)
    _post(agent, "/v1/alerts/", _ALERT)
    owner = server.owner()
    _post(owner, "/v1/templates/", {"name": "Thanks", "subject": "Re", "body": "Dear {name}"})
    _post(owner, "/v1/domains/", {"domain": "pending.test"})
    paused = _post(owner, "/v1/tokens/", _TOKEN | {"inbox_id": ids[0]})
    _change(owner, f"/v1/tokens/{paused['token_id']}/", {"action": "pause"})
    box = _post(owner, "/v1/inboxes/", {"address": "gone@example.test"})
    assert owner.call("DELETE", f"/v1/inboxes/{box['inbox_id']}/").status == 204
    time.sleep(3)  # what the jobs count and record afterwards


_ALERT = {
    "events": ["message.received"],
    "delivery": {"type": "task", "target": "New mail from {from}"},
    "filter": {},
    "enabled": False,
}
_TOKEN = {"label": "paused", "scopes": ["email:read"]}


def _cards(sales: Mailbox, support: Mailbox, ids: list[str]) -> None:
    card = {
        "full_name": "Ada Lovelace",
        "emails": [{"label": "work", "address": "ada@client.example"}],
        "phones": [{"label": "", "number": "+44 20 7946 0000"}],
        "organization": "Client",
        "notes": "Knows the pump.",
        "labels": ["customer"],
        "anniversaries": [{"type": "birth", "date": "1815-12-10"}],
    }
    ada = _post(sales, "/v1/contacts/", card)
    bob = _post(
        sales, "/v1/contacts/", {"full_name": "Bob", "emails": [{"address": "bob@client.example"}]}
    )
    accepted = {"type": "offer", "to_inbox_id": ids[1], "contact_id": ada["id"]}
    share = _post(sales, "/v1/contacts/shares/", accepted)["share_id"]
    _post(support, f"/v1/contacts/shares/{share}/accept/", {})
    _post(sales, "/v1/contacts/shares/", accepted | {"contact_id": bob["id"]})
    asked = {"type": "request", "to_inbox_id": ids[2], "contact_address": "eve@client.example"}
    _post(sales, "/v1/contacts/shares/", asked)


def _post(api: Api, path: str, body: Record) -> Record:
    answer = api.call("POST", path, body)
    assert answer.status in (200, 201), (path, answer)
    return answer.json()


def _change(api: Api, path: str, body: Record) -> None:
    answer = api.call("PATCH", path, body)
    assert answer.status == 200, (path, answer)


def _read(server: Server) -> Record:
    """Every answer by credential and path; what lists name is read one by one as well."""
    demo, owner = server.demo, server.owner()
    document: Record = {"now": time.time_ns() // 1000, "owner": demo.owner, "answers": []}
    for box, record in zip(server.mailboxes(), demo.inboxes, strict=True):
        seen = {path: box.get(path) for path in OF_AN_INBOX}
        for path in [path for found in seen.values() for path in _named(found)]:
            seen[path] = box.get(path)
        raws = {path: _digest(box, path) for path in seen if _is_message(path)}
        one = {
            "address": record["address"],
            "token": record["token"],
            "read": shortened(seen),
            "raw": raws,
        }
        document["answers"].append(one)
    seen = {path: owner.get(path) for path in OF_AN_OWNER}
    session = owner.headers["Authorization"].removeprefix("Bearer ")
    document["answers"].append({"session": session, "read": shortened(seen)})
    return document


def shortened(value: object) -> object:
    """The same with the digest in place of every text that is longer than a page."""
    match value:
        case dict():
            return {key: shortened(one) for key, one in value.items()}
        case list():
            return [shortened(one) for one in value]
        case str() if len(value) > _PAGE:
            return "sha256 " + hashlib.sha256(value.encode()).hexdigest()
    return value


def _named(found: object) -> list[str]:
    entries = found.get("results", []) if isinstance(found, dict) else found
    paths: list[str] = []
    for entry in entries if isinstance(entries, list) else []:
        if "message_id" in entry and "folder" in entry:
            paths.append(f"/v1/messages/{entry['message_id']}/")
        elif "note_count" in entry:
            thread = f"/v1/messages/threads/{entry['thread_id']}/"
            paths += [thread, thread + "notes/", thread + "history/"]
        elif "member_count" in entry:
            paths.append(f"/v1/distribution-lists/{quote(entry['list_id'])}/members/")
    return paths


def _is_message(path: str) -> bool:
    return path.startswith("/v1/messages/msg_")


def _digest(box: Mailbox, path: str) -> str:
    return hashlib.sha256(box.raw(path.split("/")[3])).hexdigest()


def _until(done: Callable[[], bool]) -> None:
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("the mail was not parsed in 30 s")


def _pack(data: Path, target: Path) -> None:
    """The data directory; what only a running server needs is left out."""
    with tarfile.open(target, "w:xz") as archive:
        for file in sorted(data.rglob("*")):
            if not file.is_file() or file.name.endswith((".lock", "-shm")):
                continue
            entry = tarfile.TarInfo(str(file.relative_to(data)))
            content = file.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def _dump(url: str) -> str:
    """Plain SQL for any server: no setting of this one, no line that only psql knows."""
    program = next(place / "pg_dump" for place in PLACES if (place / "pg_dump").exists())
    options = ["--inserts", "--no-owner", "--no-privileges", "--schema=public"]
    dumped = subprocess.run([program, *options, url], capture_output=True, text=True, check=True)
    left_out = ("--", "SET ", "\\", "SELECT pg_catalog.set_config", "CREATE SCHEMA", "COMMENT ON")
    lines = [line for line in dumped.stdout.splitlines() if not line.startswith(left_out)]
    return "\n".join(line for line in lines if line.strip()) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(__file__).with_name(sys.argv[2]))
