"""The figures as Markdown tables and as JSON. Pure: values in, text out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import Latency
from benchmarks.plan import MIB, TARGETS, Workload
from benchmarks.throughput import Sample

BEGIN = "<!-- figures: begin; written by `make bench` -->"
END = "<!-- figures: end -->"


@dataclass(slots=True)
class Report:
    """Everything one run measured; what was not measured is empty."""

    environment: Mapping[str, str]
    throughput: list[Sample] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def markdown(report: Report) -> str:
    """Return the tables, a blank line between the parts and none at the end."""
    parts = [_environment(report.environment)]
    if report.throughput:
        parts += [_rates(report.throughput), _costs(report.throughput)]
    if report.latency:
        parts.append(_latencies(report.latency))
    if report.figures:
        parts.append(_figures(report.figures))
    return "\n\n".join(parts)


def _environment(environment: Mapping[str, str]) -> str:
    return "Taken with: " + "; ".join(f"{name} {value}" for name, value in environment.items())


def _rates(samples: Sequence[Sample]) -> str:
    rows = []
    for workload, by_server in _by_workload(samples).items():
        postfix, postroom = by_server.get("Postfix"), by_server.get("Postroom")
        target = TARGETS.get(workload)
        rows.append(
            (
                workload.label,
                *_rate_and_copies(postfix),
                *_rate_and_copies(postroom),
                _ratio(postfix, postroom),
                f"{target.must:g}" if target else "",
                f"{target.aim:g}" if target else "",
            )
        )
    heads = (
        "message, members",
        *("Postfix msg/s", "copies/s", "Postroom msg/s", "copies/s"),
        *("ratio", "at least", "aim"),
    )
    return _table(heads, rows)


def _rate_and_copies(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return ("", "")
    return (f"{sample.rate:,.1f}", f"{sample.rate * sample.workload.members:,.0f}")


def _ratio(postfix: Sample | None, postroom: Sample | None) -> str:
    if postfix is None or postroom is None:
        return ""
    return f"**{postroom.rate / postfix.rate:.2f}**"


def _costs(samples: Sequence[Sample]) -> str:
    rows = []
    for workload, by_server in _by_workload(samples).items():
        postfix, postroom = by_server.get("Postfix"), by_server.get("Postroom")
        rows.append((workload.label, *_cost(postfix), *_cost(postroom)))
    heads = (
        "message, members",
        *("Postfix CPU ms/msg", "peak MiB", "Postroom CPU ms/msg", "peak MiB"),
    )
    return _table(heads, rows)


def _cost(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return ("", "")
    return (f"{sample.cpu_ms:.2f}", f"{sample.peak / MIB:.0f}")


def _latencies(latencies: Iterable[Latency]) -> str:
    rows = [
        (
            latency.server,
            latency.workload.label,
            str(latency.sessions),
            f"{latency.p50 * 1000:.2f}",
            f"{latency.p99 * 1000:.2f}",
        )
        for latency in latencies
    ]
    return _table(("dot to 250", "message, members", "sessions", "p50 ms", "p99 ms"), rows)


def _figures(figures: Iterable[Figure]) -> str:
    rows = [
        (
            figure.what,
            f"{figure.value:,.2f} {figure.unit}",
            "" if figure.at_most is None else f"{figure.at_most:g}",
            "" if figure.at_most is None else ("yes" if figure.is_kept else "**no**"),
            figure.note,
        )
        for figure in figures
    ]
    return _table(("what", "measured", "at most", "kept", "seen"), rows)


def _by_workload(samples: Iterable[Sample]) -> dict[Workload, dict[str, Sample]]:
    found: dict[Workload, dict[str, Sample]] = {}
    for sample in samples:
        found.setdefault(sample.workload, {})[sample.server] = sample
    return found


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_between(page: str, tables: str) -> str:
    """Return the page with what stands between the markers replaced by the tables.

    Raises BenchmarkFault when the page does not have both markers, in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkFault(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def as_json(report: Report) -> str:
    """Return every figure, run by run, as one JSON document."""
    return json.dumps(asdict(report), indent=2)
