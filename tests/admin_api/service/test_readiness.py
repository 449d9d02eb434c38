"""Whether somebody asks `/readyz` regularly, by a clock of the test's own."""

from admin_api.service.readiness import Readiness
from tests.support.cases import cases

# When it was asked, and when the process is to end.
ASKED: dict[str, tuple[list[float], float, bool]] = {
    "nobody": ([], 0, False),
    "once": ([1], 2, False),
    "a command that waits for the start": ([1, 1.05, 1.1, 1.15], 2, False),
    "a balancer each second": ([1, 2, 3], 3.5, True),
    "a balancer each ten seconds": ([1, 11, 21], 30, True),
    "one that has gone": ([1, 11, 21], 60, False),
    "a start and, much later, somebody by hand": ([1, 500], 501, False),
}


def test_who_asks_regularly_is_left_time_to_hear_of_the_end() -> None:
    with cases() as case:
        for name, (times, end, expected) in ASKED.items():
            now = [0.0]
            readiness = Readiness(lambda now=now: now[0])  # type: ignore[misc]
            for now[0] in times:
                readiness.asked()
            now[0] = end
            with case(name):
                assert readiness.is_watched == expected
