import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import proc

TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as process:
        yield process.pid
        process.terminate()


def test_cpu_time_is_that_of_the_process_and_of_the_children_it_waited_for() -> None:
    stat = f"7 (python3) S 1 7 7 0 -1 4194304 9 0 0 0 {TICK} {2 * TICK} {3 * TICK} {4 * TICK} 20 0"
    assert proc.cpu_of_stat(stat) == 10


def test_a_command_with_blanks_and_parentheses_does_not_shift_the_fields() -> None:
    stat = f"7 (a) 1 (b c) S 1 7 7 0 -1 4194304 9 0 0 0 {TICK} 0 0 0 20 0"
    assert proc.cpu_of_stat(stat) == 1


def test_memory_is_read_in_bytes_and_is_nothing_for_a_process_that_ends() -> None:
    rollup = "Rss:    900 kB\nPss:    312 kB\nPss_Dirty:  9 kB\n"
    assert proc.of_rollup("Pss", rollup) == 312 * 1024
    assert proc.of_rollup("Rss", rollup) == 900 * 1024
    assert proc.of_rollup("Pss", "") == 0


def test_the_tree_begins_at_the_root_and_holds_its_children(child: int) -> None:
    found = proc.tree(os.getpid())
    assert found[0] == os.getpid()
    assert child in found


def test_a_process_that_is_gone_costs_nothing() -> None:
    gone = 2**22 + 1  # above the highest id Linux gives
    assert proc.tree(gone) == [gone]
    assert proc.cpu_seconds(gone) == 0
    assert proc.pss_bytes(gone) == 0


def test_the_peak_is_at_least_what_is_there_at_the_end(child: int) -> None:
    with proc.PeakMemory(child, interval=0.01) as memory:
        pass
    assert memory.peak > 0
