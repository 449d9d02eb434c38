"""Fixtures of the tests on the pages, and the servers' logs under each failure."""

from tests.support.fixtures import pytest_runtest_makereport, servers

__all__ = ["pytest_runtest_makereport", "servers"]
