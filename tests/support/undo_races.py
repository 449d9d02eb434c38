"""Letters that are taken back within five milliseconds of the moment at which they leave.

Afterwards each was either taken back or sent once, and its state agrees with the smarthost.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from tests.support.fixtures import Servers
from tests.support.mailbox import Api
from tests.support.sending_kills import settled, signed_in, smarthost_beside, subjects_of
from tests.support.server import Server

_MARGIN = 0.005
_AT_A_TIME = 10


class _Raced(NamedTuple):
    message_id: str
    subject: str
    was_taken_back: bool


def undo_races(servers: Servers, *, races: int, seed: int) -> None:
    """Race so many times; fail for a letter that was both taken back and sent, or neither."""
    with smarthost_beside() as host:
        settings = {
            "smarthost": f"127.0.0.1:{host.port}",
            "smarthost_tls": "none",
            "smarthost_connections": "8",
            "api_rate_per_minute": "100000",
            "api_burst": "1000",
            "login_rate_per_minute": "1000",
        }
        server = servers.new(settings)
        try:
            server.start_demo()
            each = [races // _AT_A_TIME] * _AT_A_TIME
            with ThreadPoolExecutor(_AT_A_TIME) as threads:
                done = [
                    threads.submit(_race_on, server, count, seed + number)
                    for number, count in enumerate(each)
                ]
                found = [one for some in done for one in some.result()]
            states = settled(server, [one.message_id for one in found], "accepted", "cancelled")
            server.audit_is_clean()
        finally:
            servers.stop(server)
        came = subjects_of(host.dots)
    wrong = [
        (one, came[one.subject], states[one.message_id])
        for one in found
        if (came[one.subject], states[one.message_id])
        != ((0, "cancelled") if one.was_taken_back else (1, "accepted"))
    ]
    assert not wrong, f"seed {seed}: {wrong[:5]} of {len(wrong)}"
    assert len({one.was_taken_back for one in found}) == 2, "all races had the same winner"


def _race_on(server: Server, count: int, seed: int) -> list[_Raced]:
    moments = random.Random(seed)
    with signed_in(server) as api:
        return [_race(api, server, f"race {seed} {number}", moments) for number in range(count)]


def _race(api: Api, server: Server, subject: str, moments: random.Random) -> _Raced:
    inbox = server.demo.inboxes[0]["address"]
    letter = {
        "inbox_id": inbox,
        "to": [{"email": "grace@sender.test"}],
        "subject": subject,
        "text_body": "Hello.",
        "undo_seconds": 1,
    }
    answer = api.call("POST", "/v1/messages/", letter)
    assert answer.status == 201, answer
    made = answer.json()
    due = datetime.fromisoformat(made["send_at"]).timestamp() + moments.uniform(-_MARGIN, _MARGIN)
    time.sleep(max(0.0, due - time.time()))
    path = f"/v1/messages/{made['message_id']}/cancel/"
    taken_back = api.call("POST", path, {"inbox_id": inbox})
    assert taken_back.status in (200, 409), taken_back
    return _Raced(made["message_id"], subject, taken_back.status == 200)
