"""What the tests of this folder share."""

import os
from pathlib import Path

import pytest

from tests.commands.operator import Operator
from tests.support.fixtures import own_server, pytest_runtest_makereport, server, servers

__all__ = ["own_server", "pytest_runtest_makereport", "server", "servers"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("POSTROOM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Give an operator whose store is not there yet."""
    return Operator(tmp_path / "store")
