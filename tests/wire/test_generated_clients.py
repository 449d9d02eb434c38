"""Common generators make clients from the OpenAPI document without a warning, and they work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.fixtures import MakeServer
from tests.support.server import ROOT

DOCUMENT = ROOT / "docs" / "openapi.json"
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("generators")]

# Ten calls of a program that knows nothing but the client made for it.
CALLS = """
import sys
from client import AuthenticatedClient
from client.api.contacts import contacts_create_contact, contacts_list_contacts
from client.api.distribution_lists import distribution_lists_list_lists
from client.api.inboxes import inboxes_list_inboxes
from client.api.me import sign_in_me
from client.api.messages import messages_list_messages, messages_show_message
from client.api.threads import notes_create_note, notes_list_notes, threads_show_thread
from client.models import ContactIn, NoteIn, ProblemRecord

api = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)
me = sign_in_me.sync(client=api)
print(me.inbox.address)
assert len(inboxes_list_inboxes.sync(client=api)) == 3
(shared,) = distribution_lists_list_lists.sync(client=api)
assert shared.address == "team@example.test"
(item,) = messages_list_messages.sync(client=api).results
message = messages_show_message.sync(item.message_id, client=api)
assert message.subject == "For a program", message
thread = threads_show_thread.sync(item.thread_id, client=api)
assert thread.message_count == 1
note = notes_create_note.sync(item.thread_id, client=api, body=NoteIn(body="Seen."))
assert [one.note_id for one in notes_list_notes.sync(item.thread_id, client=api)] == [note.note_id]
card = contacts_create_contact.sync(client=api, body=ContactIn(full_name="Grace"))
assert contacts_list_contacts.sync(client=api).total == 1
refused = contacts_create_contact.sync(client=api, body=ContactIn(full_name="x" * 5000))
assert isinstance(refused, ProblemRecord), refused
assert refused.errors[0].field == "full_name", refused
"""


def run(*words: str, folder: Path) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        # The generator formats what it made with the ruff beside it.
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def test_openapi_python_client_takes_it_without_a_warning_and_its_client_works(
    own_server: MakeServer, tmp_path: Path
) -> None:
    generator = str(Path(sys.executable).with_name("openapi-python-client"))
    made = ["--path", str(DOCUMENT), "--meta", "none", "--output-path", str(tmp_path / "client")]
    told = run(generator, "generate", *made, folder=tmp_path)
    assert "WARNING" not in told.upper(), told

    server = own_server()
    demo = server.demo
    with server.client() as smtp:
        reply = smtp.deliver(b"Subject: For a program\r\n\r\nHi\r\n", ["team@example.test"])
        assert reply.code == 250
    script = tmp_path / "calls.py"
    script.write_text(CALLS)
    token = str(demo.inboxes[0]["token"])
    told = run(sys.executable, str(script), demo.http, token, folder=tmp_path)
    assert told.strip() == demo.inboxes[0]["address"]


def test_openapi_typescript_takes_it_without_a_warning(tmp_path: Path) -> None:
    generator = need(
        "openapi-typescript", "npm", install="npm install -g openapi-typescript@7.13.0"
    )

    told = run(generator, str(DOCUMENT), "--output", "types.ts", folder=tmp_path)

    assert "warn" not in told.lower(), told
    assert "/v1/messages/threads/{thread_id}/notes/" in (tmp_path / "types.ts").read_text()
