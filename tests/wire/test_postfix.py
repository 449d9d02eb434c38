"""A real Postfix with the very text of docs/postfix.md. 5,000 messages: tests/soak."""

import pytest

from tests.support.fixtures import Servers
from tests.support.postfix_runs import KINDS, drain_a_queue


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_that_filled_while_we_were_down_arrives_once(servers: Servers, kind: str) -> None:
    drain_a_queue(servers, kind, count=60, kills=1, seconds=120)
