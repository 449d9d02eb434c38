"""The process is killed again and again; what was acknowledged is there, once.

`hostile.md`, section 3. The long version is tests/soak/test_long_versions.py.
"""

import random

import pytest

from tests.support.fixtures import Servers
from tests.support.kills import kill_rounds


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(300)
def test_after_25_kills_every_acknowledged_message_is_there_once(servers: Servers) -> None:
    kill_rounds(servers, rounds=25, seed=random.randrange(1 << 30))
