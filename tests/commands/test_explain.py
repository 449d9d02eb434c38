from tests.commands.mail import put
from tests.commands.operator import Operator

HELLO = b"From: sender@client.example\r\nSubject: Hello\r\n\r\nGood morning.\r\n"


def test_the_operator_is_told_why_each_inbox_got_its_copy(operator: Operator) -> None:
    operator.furnish()
    message = put(operator.data, HELLO, "team+x@acme.test")

    found = operator.ask("explain", message)
    shown = operator.type("explain", message).stdout

    assert found["message_id"] == message
    ways = [way["rule"] for part in found["deliveries"] for way in part["via"]]
    assert ways
    assert set(ways) == {"subaddress"}
    assert "<team+x@acme.test> by subaddress to the list team@acme.test" in shown


def test_a_message_that_is_not_there_is_a_fault(operator: Operator) -> None:
    operator.furnish()

    refused = operator.type("explain", "msg_" + "0" * 26)

    assert refused.exit_code == 1
    assert "there is no such message" in refused.stderr
