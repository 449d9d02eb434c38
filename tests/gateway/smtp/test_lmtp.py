"""The replies to a dot over LMTP, and how many of them count against the session."""

import pytest

from gateway.smtp import lmtp, replies
from gateway.smtp.replies import Reply, ReplyCounts
from storage.delivery.arrivals import PolicyRefused, RouteChanged
from storage.directory.resolve import Verdict


@pytest.mark.parametrize(
    ("outcome", "dots", "last_word"),
    [
        (PolicyRefused((0, 1, 2), None), 19, None),
        (PolicyRefused((0, 1, 2), None), 20, replies.TOO_MANY_ERRORS),
        (RouteChanged(), 1999, None),
        (RouteChanged(), 2000, replies.TOO_MANY_DEFERRED),
        (RouteChanged(tuple((at, Verdict.UNKNOWN) for at in range(3))), 6, None),
        (
            RouteChanged(tuple((at, Verdict.UNKNOWN) for at in range(3))),
            7,
            replies.TOO_MANY_UNKNOWN,
        ),
    ],
)
def test_refusals_after_the_dot_end_a_session_as_those_of_smtp_do(
    outcome: PolicyRefused | RouteChanged, dots: int, last_word: Reply | None
) -> None:
    """A fault of the message counts once, though three recipients hear it."""
    counts = ReplyCounts()
    for _ in range(dots):
        counts.add_all(lmtp.counted(lmtp.replies_to_dot(3, outcome)))
    assert counts.last_word() is last_word
