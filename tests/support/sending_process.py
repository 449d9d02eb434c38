"""A process that runs the sending job on a store, to be killed; its clock goes on from `base`."""

import asyncio
import time
from pathlib import Path

from gateway.outbound import sending as job
from gateway.outbound.sending import Sending
from gateway.outbound.smarthost import Smarthost
from storage.clock import SECOND
from storage.content.places import open_contents
from storage.engines.opening import EMBEDDED, open_database
from storage.outbound import sending_queue
from storage.wakeup import WakeUp


def send_until_killed(data: str, port: int, base: int, ask: bool) -> None:
    """Send what is due, with a lease that ends soon."""
    sending_queue.LEASE = 3 * SECOND
    sending_queue.UNKNOWN_WAIT = SECOND // 5
    job._POLL_SECONDS = 0.02
    job._RENEW_SECONDS = 0.05
    asyncio.run(_send(Path(data), port, base, ask=ask))


async def _send(data: Path, port: int, base: int, *, ask: bool) -> None:
    began = time.monotonic()

    def clock() -> int:
        return base + round((time.monotonic() - began) * SECOND)

    database = await open_database(EMBEDDED, data, clock)
    contents = open_contents(data, keep_in="files", reader=database, store=database)
    smarthost = Smarthost("127.0.0.1", port, "none", None, "", "", "postroom.test")
    sending = Sending(database, contents, WakeUp(), clock, smarthost, connections=3, ask=ask)
    await sending.run()
