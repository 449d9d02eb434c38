"""Fixtures of the wire tests, and the servers' logs under each failure."""

from collections.abc import Generator

import pytest

from tests.support.fixtures import add_server_logs, own_server, server, servers

__all__ = ["own_server", "server", "servers"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    add_server_logs(item, report)
    return report
