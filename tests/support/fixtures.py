"""Fixtures of the black-box tests: one shared server per process, special ones by settings."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import pytest

from storage.engines.opening import EMBEDDED
from tests.support.engines import Engine, Held
from tests.support.loads import warm_up
from tests.support.memory import need_proc
from tests.support.server import ROOT, Server, Settings
from tests.support.warm_start import WarmStart

MakeServer = Callable[..., Server]
_WITHOUT_SETTINGS = frozenset({("apart", "")})
_MOST_KEPT = 3


class Servers:
    """The running servers of one test process, by their settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warm = WarmStart(ROOT)
        self.running: list[Server] = []
        self.kept: dict[frozenset[tuple[str, str]], Server] = {}

    def new(self, settings: Settings | None = None, **options: str) -> Server:
        """Return a server for one test alone, not started yet."""
        name = self.folder / f"server-{len(list(self.folder.iterdir()))}"
        name.mkdir()
        server = Server(name, settings, warm=self.warm, **options)
        if "store" not in server.settings:  # its migrations take a third of a warm start
            Engine("sqlite", EMBEDDED, server.store).fill(self._empty_store)
        self.running.append(server)
        return server

    @cached_property
    def _empty_store(self) -> Held:
        """A store of this release with nothing in it, made once."""

        async def make() -> Held:
            engine = Engine("sqlite", EMBEDDED, self.folder / "empty")
            await (await engine.open()).close()
            return engine.held()

        with ThreadPoolExecutor(1) as thread:  # the test's own loop may be set, and stays so
            return thread.submit(asyncio.run, make()).result()

    def shared(self, settings: Settings | None = None, *, apart: str = "") -> Server:
        """Return the running demo with these settings, started when it is the first asked for.

        Tests that ask for it `apart` share another one: the same octets sent once more to one
        server may be taken for a retry. The one without settings stays; of others, the last few.
        """
        key = frozenset({"apart": apart, **(settings or {})}.items())
        if key not in self.kept:
            server = self.new(settings)
            server.start_demo()
            self.kept[key] = server
        found = self.kept[key] = self.kept.pop(key)
        others = [one for one in self.kept if one != _WITHOUT_SETTINGS]
        for oldest in others[:-_MOST_KEPT]:  # an idle one costs half a percent of a processor
            self.stop(self.kept.pop(oldest))
        return found

    def stop(self, server: Server) -> None:
        self.running.remove(server)
        server.stop()

    def stop_all(self) -> None:
        faults = []
        for server in self.running:
            try:
                server.stop()
            except AssertionError as fault:
                faults.append(fault)
        self.warm.end()
        assert not faults, faults


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Give every server this test process starts; all are stopped at the end."""
    found = Servers(tmp_path_factory.mktemp("servers"))
    yield found
    found.stop_all()


@pytest.fixture
def server(servers: Servers) -> Server:
    """Give the shared demo server; tests leave it as they found it, but for mail."""
    return servers.shared()


@pytest.fixture
def own_server(servers: Servers) -> Iterator[MakeServer]:
    """Give a maker of demo servers for this test alone, `own_server({"size_limit": "1000"})`."""
    made: list[Server] = []

    def make(
        settings: Settings | None = None,
        constants: Mapping[str, float] | None = None,
        **options: str,
    ) -> Server:
        server = servers.new(settings, **options)
        server.constants = constants or {}
        made.append(server)
        server.start_demo()
        return server

    yield make
    for server in made:
        servers.stop(server)


@pytest.fixture
def fresh(servers: Servers) -> Iterator[Server]:
    """Give a demo server of one test's own that has taken one message, to measure its memory."""
    need_proc()
    server = servers.new()
    server.start_demo()
    warm_up(server)
    yield server
    servers.stop(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the end of each server's stderr under a failed test."""
    report = yield
    found = getattr(item, "funcargs", {}).get("servers")
    if report.failed and isinstance(found, Servers):
        for server in found.running:
            report.sections.append((f"stderr of {server.folder.name}", server.log_tail()))
    return report
