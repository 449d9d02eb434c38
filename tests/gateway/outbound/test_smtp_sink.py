"""Letters to Postfix's smtp-sink, with each of its ways to fail."""

from pathlib import Path

import pytest

from storage.engines.opening import EMBEDDED
from storage.outbound.domain_smarthosts import DomainSmarthost
from tests.builders import open_world
from tests.gateway.outbound.test_lanes import give, job
from tests.gateway.outbound.test_sending import settled, states, until
from tests.storage.outbound.queued import enqueued
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.sinks import smtp_sink

# Its switches, and the states of the letter that may come of them.
SWITCHES: dict[tuple[str, ...], set[str]] = {
    (): {"accepted"},
    ("-f", "MAIL"): {"failed"},
    ("-f", "RCPT"): {"failed"},
    ("-f", "."): {"failed"},
    ("-r", "MAIL"): {"waiting"},
    ("-r", "RCPT"): {"waiting"},
    ("-r", "DATA"): {"waiting"},
    ("-r", "."): {"waiting"},
    ("-q", "RCPT"): {"waiting"},
    ("-q", "."): {"unknown"},
    ("-Q", "RCPT"): {"waiting"},
    ("-Q", "."): {"waiting"},
}


@pytest.fixture
def only(tmp_path: Path) -> Engine:
    return Engine("sqlite", EMBEDDED, tmp_path)


async def test_each_way_of_smtp_sink_to_fail_has_its_state(only: Engine) -> None:
    async with open_world(only) as world:
        with cases() as case:
            for switches, wanted in SWITCHES.items():
                with case(" ".join(switches)), smtp_sink(*switches) as port:
                    await give(world, DomainSmarthost("127.0.0.1", port, "none"))
                    letter = await enqueued(world)
                    async with job(world, None):
                        after = await until(world, letter, settled)
                    assert set(states(after)) == wanted
                    await world.database.write(
                        lambda tx, key={"id": letter.message_id}: tx.execute(  # type: ignore[misc]
                            "UPDATE letters SET due_at = NULL WHERE message_id = :id", key
                        )
                    )
