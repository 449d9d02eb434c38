"""What an inbox was told, on the command line."""

import json
import signal
import subprocess
import sys

from tests.commands.mail import put
from tests.commands.operator import Operator
from tests.support.server import ROOT, heeding_interrupts

HELLO = b"From: sender@client.example\r\nSubject: Hello\r\n\r\nGood morning.\r\n"
ALL = ("events", "--inbox", "a@acme.test")


def test_what_happened_is_listed_and_read_on_from(operator: Operator) -> None:
    operator.furnish()
    put(operator.data, HELLO, "team@acme.test", subject="Hello")

    found = operator.ask_all(*ALL)

    assert [one["type"] for one in found] == ["list.member_added", "message.received"]
    assert operator.ask_all(*ALL, "--after", found[0]["event_id"]) == found[1:]
    assert operator.ask_all(*ALL, "--limit", "1") == found[:1]
    shown = operator.type(*ALL).stdout.splitlines()
    assert [line.split()[2] for line in shown] == ["list.member_added", "message.received"]
    assert shown[1].split()[3] == found[1]["data"]["message_id"]
    assert operator.fault(*ALL, "--after", "x") == "after: is no id of an event\n"
    assert operator.fault("events", "--inbox", "x@acme.test").startswith("inbox: ")


def test_it_goes_on_with_what_happens_until_it_is_stopped(operator: Operator) -> None:
    operator.furnish()
    words = [*ALL, "--follow", "--json", "--data", str(operator.data)]
    last = operator.ask_all(*ALL)[-1]["event_id"]
    with heeding_interrupts():
        following = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words, "--after", last],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
    with following:
        assert following.stdout is not None
        put(operator.data, HELLO, "team@acme.test", subject="Hello")
        assert json.loads(following.stdout.readline())["type"] == "message.received"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
