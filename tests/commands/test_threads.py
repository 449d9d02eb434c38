"""Shared work on the command line."""

from tests.commands.mail import put
from tests.commands.operator import Operator

HELLO = b"From: sender@client.example\r\nSubject: Hello\r\n\r\nGood morning.\r\n"


def thread_of(operator: Operator, inbox: str) -> str:
    (found,) = operator.ask("threads", "list", "--inbox", inbox)["results"]
    return str(found["thread_id"])


def test_a_thread_is_assigned_noted_and_on_the_agenda(operator: Operator) -> None:
    operator.furnish()
    operator.ask("inbox", "create", "c@acme.test", "--tenant", "Acme")
    put(operator.data, HELLO, "team@acme.test", subject="Hello")
    thread = thread_of(operator, "a@acme.test")

    assigned = operator.ask(
        "assign", thread, "C@acme.test", "--inbox", "a@acme.test", "--note", "Legal"
    )
    note = operator.ask(
        "note", "add", thread, "Look here", "--inbox", "a@acme.test", "--mention", "b@ACME.test"
    )

    assert assigned == {"assigned": True, "to": "c@acme.test"}
    assert note["mentions"] == ["b@acme.test"]
    (task,) = operator.ask_all("agenda", "--inbox", "c@acme.test")
    assert (task["title"], task["description"]) == ("[Assigned] Hello", "Legal")
    (task,) = operator.ask_all("agenda", "--inbox", "b@acme.test")
    assert (task["title"], task["description"]) == ("[Mentioned] Hello", None)
    shown = operator.ask("threads", "show", thread, "--inbox", "c@acme.test")
    assert [one["folder"] for one in shown["messages"]] == [None]
    assert [one["body"] for one in shown["notes"]] == ["Look here"]
    assert operator.ask_all("note", "list", thread, "--inbox", "b@acme.test") == [note]
    listed = operator.ask("threads", "list", "--inbox", "c@acme.test", "--assigned-to", "me")
    assert [one["thread_id"] for one in listed["results"]] == [thread]
    assert "Hello" in operator.type("threads", "show", thread, "--inbox", "c@acme.test").stdout

    operator.ask("note", "delete", thread, note["note_id"], "--inbox", "a@acme.test")
    operator.ask("assign", thread, "--nobody", "--inbox", "a@acme.test")

    assert operator.ask_all("note", "list", thread, "--inbox", "a@acme.test") == []
    assert operator.ask_all("agenda", "--inbox", "c@acme.test") == []
    assert len(operator.ask_all("agenda", "--inbox", "c@acme.test", "--completed")) == 1


def test_what_cannot_be_done_is_told_by_its_field(operator: Operator) -> None:
    operator.furnish()
    operator.ask("inbox", "create", "c@acme.test", "--tenant", "Acme")
    put(operator.data, HELLO, "team@acme.test", subject="Hello")
    thread = thread_of(operator, "a@acme.test")
    note = operator.ask("note", "add", thread, "Mine", "--inbox", "a@acme.test")

    for words, fault in (
        (("threads", "show", thread, "--inbox", "c@acme.test"), "thread: "),
        (("assign", thread, "team@acme.test", "--inbox", "a@acme.test"), "to: "),
        (("note", "add", thread, "x", "--inbox", "a@acme.test", "--mention", "x@y.z"), "mention: "),
        (("note", "add", thread, "", "--inbox", "a@acme.test"), "text: "),
        (("note", "delete", thread, note["note_id"], "--inbox", "b@acme.test"), "note: "),
        (("threads", "list", "--inbox", "a@acme.test", "--cursor", "x"), "cursor: "),
    ):
        assert operator.fault(*words).startswith(fault), words
    operator.fault("assign", thread, "--inbox", "a@acme.test", status=2)
