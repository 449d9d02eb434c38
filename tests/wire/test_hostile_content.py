"""Contents that break mail parsers: taken at once, listed, and nobody else has to wait.

`hostile.md`, section 1, last row: parsing never decides acceptance.
"""

import random
import threading
import time

import pytest

from tests.support.server import Server
from tests.support.smtp import message


def nested(depth: int) -> bytes:
    """Return a multipart in a multipart in a multipart …."""
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    )
    return b"MIME-Version: 1.0\r\n" + opening + b"Content-Type: text/plain\r\n\r\nend\r\n"


CONTENTS = {
    "a thousand levels": nested(1000),
    "forty thousand encoded words": b"Subject: "
    + b"\r\n ".join([b"=?utf-8?q?x?="] * 40_000)
    + b"\r\n\r\n.\r\n",
    "a folded subject of 1.5 MB": b"Subject: x" + b"\r\n y" * 375_000 + b"\r\n\r\n",
    "fifty thousand recipients": b"To: " + b",\r\n a@b.example" * 50_000 + b"\r\n\r\n",
    "an address group": b"To: undisclosed: a@b.example, (((((, ;\r\nFrom: <<>>,,\r\n\r\nx",
    "an unknown charset": b"Subject: =?nope-99?q?x?=\r\nContent-Type: text/plain; charset=nope\r\n"
    b"\r\n\xff",
    "a hundred thousand fields": b"X: y\r\n" * 100_000 + b"\r\n",
    "no end of header": b"Subject: x" * 50_000,
    "octets of all kinds": bytes(range(256)) * 2000,
    "dates that are none": b"Date: Fri, 99 Foo 99999999999999999999 99:99:99 +99999\r\n\r\nx",
    "parameters without end": b"Content-Type: text/plain" + b"; a*0*=''%" * 20_000 + b"\r\n\r\nx",
    "references without end": b"References: " + b"<a@b>\r\n " * 60_000 + b"\r\n\r\nx",
    "unclosed comments": b"From: " + b"(" * 90_000 + b"\r\n\r\nx",
    "nul and surrogates in words": b"Subject: =?utf-8?b?7aCAAA==?= \0 \xed\xa0\x80\r\n\r\n\0",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_hostile_content_is_taken_and_listed(server: Server, name: str) -> None:
    content = b"X-Test: %d\r\n" % random.randrange(1 << 60) + CONTENTS[name]
    content += b"" if content.endswith(b"\r\n") else b"\r\n"
    with server.client(timeout=60) as client, server.mailboxes()[-1] as mailbox:
        before = mailbox.newest_id()
        started = time.monotonic()
        reply = client.deliver(content, ["team@example.test"])
        seconds = time.monotonic() - started
        (copy,) = mailbox.since(before)
        shown = mailbox.call("GET", f"/v1/messages/{copy['message_id']}/")
        assert mailbox.content(copy["message_id"], len(content)) == content
    assert reply.code == 250, reply
    assert seconds < 3, f"the reply took {seconds:.1f} s"
    assert shown.status == 200, shown


def test_hostile_contents_hold_nobody_up(server: Server) -> None:
    with server.client(timeout=60) as client:
        hostile = threading.Thread(
            target=lambda: [
                client.deliver(content, ["team@example.test"]) for content in CONTENTS.values()
            ]
        )
        hostile.start()
        others = 0
        while hostile.is_alive():
            with server.client() as other:
                assert other.deliver(message("meanwhile"), ["team@example.test"]).code == 250
            others += 1
        hostile.join()
    assert others >= len(CONTENTS) // 2, f"{others} messages beside {len(CONTENTS)} hostile ones"
