"""Fixtures of the tests on the pages, and the servers' logs under each failure."""

from collections.abc import Generator

import pytest

from tests.support.fixtures import add_server_logs, servers

__all__ = ["servers"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    add_server_logs(item, report)
    return report
