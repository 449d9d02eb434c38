import pytest

from benchmarks.plan import FULL, KIB, MIB, QUICK, TARGETS, Workload, messages_for, size_text


def count(rate: float, workload: Workload, *, shared: bool = False) -> int:
    return messages_for(rate, workload, seconds=3, sessions=10, shared=shared)


def test_a_run_takes_the_seconds_asked_for_and_every_session_sends_as_many() -> None:
    assert count(123.4, Workload(1, 10 * KIB)) == 370


def test_a_slow_server_still_gets_three_messages_a_session() -> None:
    assert count(0.1, Workload(50, MIB)) == 30


def test_a_run_writes_no_more_than_its_share_of_the_disk() -> None:
    assert count(1e6, Workload(5, MIB)) == 300
    assert count(1e6, Workload(5, MIB), shared=True) == 1530


def test_a_fast_server_gets_a_bounded_number_of_messages() -> None:
    assert count(1e9, Workload(1, KIB)) == 20_000


@pytest.mark.parametrize(
    ("size", "text"), [(KIB, "1 KB"), (10 * KIB, "10 KB"), (MIB, "1 MB"), (32 * MIB, "32 MB")]
)
def test_a_size_reads_as_in_the_tables(size: int, text: str) -> None:
    assert size_text(size) == text


def test_every_workload_with_a_target_is_measured() -> None:
    assert set(TARGETS) <= set(FULL.workloads)
    assert set(TARGETS) <= set(QUICK.workloads)
