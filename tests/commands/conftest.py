"""What the tests of this folder share."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.commands.operator import Operator
from tests.support.fixtures import add_server_logs, own_server, server, servers

__all__ = ["own_server", "server", "servers"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    add_server_logs(item, report)
    return report


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("POSTROOM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Give an operator whose store is not there yet."""
    return Operator(tmp_path / "store")
