"""Fixtures of the dialogues, and the servers' logs under each failure."""

from tests.support.fixtures import own_server, pytest_runtest_makereport, server, servers

__all__ = ["own_server", "pytest_runtest_makereport", "server", "servers"]
