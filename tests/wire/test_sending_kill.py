"""The process is killed again and again while letters leave; none is lost, and none goes twice.

The long version is tests/soak/test_long_versions.py.
"""

import random

import pytest

from tests.support.fixtures import Servers
from tests.support.sending_kills import sending_kill_rounds


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(900)
def test_after_25_kills_every_letter_has_gone_once_or_is_unknown(servers: Servers) -> None:
    sending_kill_rounds(servers, rounds=25, seed=random.randrange(1 << 30))
