"""The figures of a running server, over the wire."""

import time

from prometheus_client.parser import text_string_to_metric_families as families_of

from tests.support.mailbox import Api
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import message
from tests.wire.test_processes import await_open


def figures(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with Api(server.demo.http) as api:
        answer = api.call("GET", "/metrics")
    assert answer.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families_of(answer.body.decode())
        for sample in family.samples
    }


def test_the_figures_of_a_server_that_takes_mail(server: Server) -> None:
    nothing: frozenset[tuple[str, str]] = frozenset()
    with server.client() as client:
        client.deliver(message("measured"), ["team@example.test"])
        await_open(server, 1)
        client.quit()
    done = "postroom_retention_rounds_total", frozenset({("end", "done")})
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        seen = figures(server)
        behind = [value for (name, _), value in seen.items() if name == "postroom_backlog"]
        is_open = seen["postroom_smtp_connections_open", nothing]
        if not any(behind) and not is_open and done in seen:
            break
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    assert len(behind) == 5
    assert seen["postroom_sending_paused", nothing] == 0
    assert seen["postroom_smtp_connections_total", nothing] >= 1
    assert seen["postroom_store_up", nothing] == 1
    assert seen["postroom_messages_stored", nothing] >= 0
    assert seen["postroom_process_resident_memory_bytes", frozenset({("process", "0")})] > 1e6
    assert {name for name in seen if name[0] == done[0] and seen[name]} == {done}
    assert seen["postroom_retention_last_done_timestamp_seconds", nothing] > 0
