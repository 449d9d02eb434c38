import json

import pytest

from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import Latency, percentile
from benchmarks.plan import KIB, MIB, Workload
from benchmarks.report import BEGIN, END, Report, as_json, markdown, write_between
from benchmarks.throughput import Run, Sample

WORKLOAD = Workload(5, 10 * KIB)


def sample(server: str, *seconds: float) -> Sample:
    return Sample(server, WORKLOAD, tuple(Run(100, s, 0.5) for s in seconds), 40 * MIB)


def report() -> Report:
    return Report(
        {"kernel": "6.1", "Python": "3.11"},
        [sample("Postfix", 1.0, 2.0, 0.5), sample("Postroom", 0.25, 0.2, 0.1)],
        [Latency("Postroom", WORKLOAD, 10, 500, 0.0042, 0.0123)],
        [Figure("idle", 90.5, "MiB", at_most=80), Figure("ceiling", 9000, "msg/s")],
    )


def test_the_ratio_is_that_of_the_medians_with_target_and_aim_beside_it() -> None:
    row = "| 10 KB, N=5 | 100.0 | 500 | 500.0 | 2,500 | **5.00** | 4 | 8 |"
    assert row in markdown(report()).splitlines()


def test_cpu_and_memory_stand_in_their_own_table() -> None:
    assert "| 10 KB, N=5 | 5.00 | 40 | 5.00 | 40 |" in markdown(report()).splitlines()


def test_latency_is_told_in_milliseconds() -> None:
    assert "| Postroom | 10 KB, N=5 | 10 | 4.20 | 12.30 |" in markdown(report()).splitlines()


def test_a_broken_promise_is_marked_and_a_figure_without_one_is_not() -> None:
    lines = markdown(report()).splitlines()
    assert "| idle | 90.50 MiB | 80 | **no** |  |" in lines
    assert "| ceiling | 9,000.00 msg/s |  |  |  |" in lines


def test_one_server_alone_has_no_ratio() -> None:
    alone = Report({}, [sample("Postfix", 1.0)])
    assert "| 10 KB, N=5 | 100.0 | 500 |  |  |  | 4 | 8 |" in markdown(alone).splitlines()


def test_the_tables_replace_what_stood_between_the_markers_and_nothing_else() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert write_between(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_page_without_both_markers_is_left_alone(page: str) -> None:
    with pytest.raises(BenchmarkFault):
        write_between(page, "new")


def test_the_json_tells_every_run() -> None:
    document = json.loads(as_json(report()))
    assert [run["seconds"] for run in document["throughput"][1]["runs"]] == [0.25, 0.2, 0.1]
    assert document["environment"]["kernel"] == "6.1"


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (100, 4), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value
