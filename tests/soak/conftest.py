"""Fixtures of the long tests, and the servers' logs under each failure."""

from tests.support.fixtures import fresh, own_server, pytest_runtest_makereport, server, servers

__all__ = ["fresh", "own_server", "pytest_runtest_makereport", "server", "servers"]
