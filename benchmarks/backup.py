"""The cost of a backup to the intake, the size of a second one, and the time of restore and verify.

Rules kept here:
- The store is filled through SMTP with messages of 10 KB to five members.
- Batches of one load run one after the other; those that ran wholly beside a backup are compared
  with those before and after it.
- Every message acknowledged before the first backup began must be in what is restored from it.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import load
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB, MIB, Plan, Workload
from benchmarks.postroom_server import (
    PostroomServer,
    copy_store,
    run_command,
    run_postroom,
    start_command,
)
from benchmarks.servers import list_address

_WORKLOAD = Workload(5, 10 * KIB)
_PART = 20_000
_PART_TIMEOUT = 600.0
_BATCH = 1000
_BATCHES_ALONE = 4
_MOST_BATCHES = 200


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Back a store of `plan.stored` messages up beside a full load, twice; restore and verify."""
    data, backups = copy_store(prepared, directory / "backed-up"), directory / "backups"
    with run_postroom(data) as server:
        fill(server, plan.stored, tell=tell)
        tell("backup: beside a full load")
        alone = [_rate(server) for _ in range(_BATCHES_ALONE)]
        acknowledged = plan.stored + _BATCHES_ALONE * _BATCH
        first, beside = _beside_backup(server, backups)
        alone += [_rate(server) for _ in range(_BATCHES_ALONE)]
        tell("backup: the second one")
        second, more = _beside_backup(server, backups)
    restored = directory / "restored"
    restore_seconds, put_back = _timed(restored, "restore", str(first["backup"]))
    if _number(put_back, "messages") < acknowledged:
        raise BenchmarkFault(f"{acknowledged} messages were acknowledged: {put_back}")
    # As many as the bound speaks of: the loads beside the backups have made the first store longer.
    seconds, found = _timed(restored, "verify")
    between = (len(beside) + _BATCHES_ALONE + len(more)) * _BATCH * _WORKLOAD.size
    stored = f"{plan.stored:,} messages of 10 KB, five members"
    return [
        Figure(
            f"time per message beside a backup of {stored}",
            statistics.median(alone) / statistics.median(beside),
            "times that without",
            at_most=1 / 0.95,
            note=f"{statistics.median(beside):.0f} and {statistics.median(alone):.0f} msg/s",
        ),
        Figure(
            "written by the second backup",
            _number(second, "octets_written") / between,
            "times what came since the first",
            note=f"{_number(second, 'octets_written') / MIB:.0f} MiB written, "
            f"{_number(second, 'octets_linked') / MIB:.0f} MiB linked",
        ),
        Figure(f"verify of {_number(found, 'messages'):,.0f} messages", seconds, "s", at_most=60),
        Figure(f"restore and verify of {put_back['messages']} messages", restore_seconds, "s"),
    ]


def fill(server: PostroomServer, messages: int, *, tell: Callable[[str], None]) -> None:
    """Have the server take so many messages of 10 KB to five members."""
    for sent in range(0, messages, _PART):
        tell(f"filling the store: {sent:,} of {messages:,}")
        part = min(_PART, messages - sent)
        load.send(
            server.smtp,
            load.Load(list_address(_WORKLOAD.members), part, _WORKLOAD.size),
            timeout=_PART_TIMEOUT,
        )


def _rate(server: PostroomServer) -> float:
    one = load.Load(list_address(_WORKLOAD.members), _BATCH, _WORKLOAD.size)
    return _BATCH / load.send(server.smtp, one, timeout=_PART_TIMEOUT)


def _beside_backup(
    server: PostroomServer, backups: Path
) -> tuple[Mapping[str, object], list[float]]:
    """The record of a backup, and the rates of the batches that ran while it did."""
    running = start_command(server.data, "backup", str(backups))
    rates: list[float] = []
    try:
        while running.poll() is None and len(rates) < _MOST_BATCHES:
            rates.append(_rate(server))
    finally:
        record = run_command(running)
    # The last one ran on when the backup had ended.
    return record, rates[:-1] or rates


def _timed(data: Path, *words: str) -> tuple[float, Mapping[str, object]]:
    began = time.perf_counter()
    record = run_command(start_command(data, *words))
    return time.perf_counter() - began, record


def _number(record: Mapping[str, object], name: str) -> float:
    value = record[name]
    assert isinstance(value, int)
    return value
