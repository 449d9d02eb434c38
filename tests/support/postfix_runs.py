"""A real Postfix in front, with the text of docs/postfix.md: down, a queue that fills, up again.

Rules: each block of the page is used as it stands, but for the domain and the address of the
listener; everything queued must arrive once in every inbox, and nothing may be returned.
"""

import random
import re
import shutil
import smtplib
import time
from collections import Counter
from pathlib import Path

from tests.support.fixtures import Servers
from tests.support.postfix import Postfix, postfix_with, public_folder
from tests.support.server import Server, quiet_port
from tests.support.smtp import message

PAGE = Path(__file__).parents[2] / "docs" / "postfix.md"
TEAM = "team@example.test"
KINDS = {"lmtp": "By LMTP", "smtp": "By SMTP"}
VERIFIED = "Refuse unknown addresses in the session"


def block(heading: str, language: str) -> str:
    """Return the code block of a language under a heading of the page."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"no {language} block under {heading}"
    return found[1].replace("example.com", "example.test")


def settings_of(kind: str, folder: Path, smtp: str) -> tuple[dict[str, str], str]:
    """Return Postroom's settings and Postfix's lines, with this test's addresses in them."""
    host, _, port = smtp.rpartition(":")
    ours = dict(re.findall(r'^(\w+) = "(.*)"$', block(KINDS[kind], "toml"), re.MULTILINE))
    theirs = block(KINDS[kind], "postfix") + block(VERIFIED, "postfix")
    theirs = theirs.replace("/run/postroom/lmtp", f"{folder}/lmtp")
    theirs = theirs.replace("[127.0.0.1]:2525", f"[{host}]:{port}")
    ours = {key: value.replace("/run/postroom", str(folder)) for key, value in ours.items()}
    ours.pop("smtp", None)
    return ours, theirs


def drain_a_queue(servers: Servers, kind: str, *, count: int, kills: int, seconds: float) -> None:
    """Fill Postfix's queue while we are down, come back (to be killed so often), and count."""
    folder = public_folder()
    smtp = quiet_port()
    ours, theirs = settings_of(kind, folder, smtp)
    server = servers.new(ours, smtp=smtp, http=quiet_port())
    try:
        server.start_demo()
        with postfix_with(theirs) as relay:
            _is_verified(relay)
            server.stop()
            sent = _fill(relay, count)
            server.start()
            for _ in range(kills):
                time.sleep(random.uniform(0.2, 2.0))
                server.kill()
                server.start()
            _await_empty(relay, seconds)
            log = relay.log()
            assert "status=bounced" not in log, log[-4000:]
            assert "non-delivery notification" not in log, log[-4000:]
            _everything_once(server, sent)
    finally:
        servers.stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def _is_verified(relay: Postfix) -> None:
    """An unknown address is refused in the session, a known one is taken."""
    with smtplib.SMTP(*relay.smtpd, local_hostname="client.example", timeout=60) as client:
        client.ehlo()
        client.mail("sender@client.example")
        code, text = client.rcpt("nobody@example.test")
        assert code == 550, (code, text, relay.log()[-4000:])
        code, text = client.rcpt(TEAM)
        assert code == 250, (code, text, relay.log()[-4000:])


def _fill(relay: Postfix, count: int) -> set[str]:
    """Hand messages to Postfix while nobody takes them from it; their subjects."""
    mark = random.randrange(1 << 40)
    subjects = [f"queued {mark} {number}" for number in range(count)]
    with smtplib.SMTP(*relay.smtpd, local_hostname="client.example", timeout=60) as client:
        for subject in subjects:
            client.sendmail("sender@client.example", [TEAM], message(subject))
    assert relay.queue().count("queue_id") > 0
    return set(subjects)


def _await_empty(relay: Postfix, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while queued := relay.queue():
        assert time.monotonic() < deadline, f"{queued[-2000:]}\n{relay.log()[-4000:]}"
        time.sleep(0.5)


def _everything_once(server: Server, sent: set[str]) -> None:
    for mailbox in server.mailboxes():
        with mailbox:
            found = Counter(item["subject"] for item in mailbox.every())
        assert found == Counter(sent), (Counter(sent) - found, found - Counter(sent))
    server.audit_is_clean()
