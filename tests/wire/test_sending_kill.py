"""The process is killed again and again while letters leave; none is lost, and none goes twice.

Here the whole server is killed; tests/gateway/outbound has 26 kills of the sending job alone, and
tests/soak/test_long_versions.py the long version.
"""

import random

import pytest

from tests.support.fixtures import Servers
from tests.support.sending_kills import sending_kill_rounds


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(900)
def test_after_five_kills_every_letter_has_gone_once_or_is_unknown(servers: Servers) -> None:
    sending_kill_rounds(servers, rounds=5, seed=random.randrange(1 << 30))
