"""What every test shares: stores on both engines, and hypothesis without deadlines.

On CI hypothesis tries the same examples on every run.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import httpx2
import pytest
from hypothesis import settings

from tests.support.engines import both_engines, database, databases, engine, engines
from tests.support.warm_start import PASSWORD_KIB

__all__ = ["both_engines", "database", "databases", "engine", "engines"]

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")


@pytest.fixture(autouse=True, scope="session")
def filed_early() -> Iterator[None]:
    """Let tests meet filed copies beside others; it takes thousands of copies otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.index.copy_index._MOST_UNFILED", 5)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_late_statistics() -> Iterator[None]:
    """Have PostgreSQL choose its plans in all tests alike, however long one takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.engines.servers.first_statistics._LOOK_SECONDS", 3600)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Hash with next to no memory: the real setting takes a quarter of all time of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("admin_api.access.passwords._KIB", PASSWORD_KIB)
        yield


@pytest.fixture(autouse=True, scope="session")
def without_sniffio() -> Iterator[None]:
    """Have no call of httpx go through all of sys.path for a package that only trio has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sniffio", None)
        yield


@pytest.fixture(autouse=True, scope="session")
def known_addresses() -> Iterator[None]:
    """Parse each address of a call once: httpx does it four times a call, a character at a time.

    It takes a third of the time of a call. A result is a tuple that nobody can change.
    """
    parse = lru_cache(maxsize=4096)(httpx2._urlparse.urlparse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx2._urlparse.urlparse", parse)
        patch.setattr("httpx2._urls.urlparse", parse)
        yield


def pytest_xdist_auto_num_workers() -> int:
    """More workers than processors: many tests wait for something most of their time."""
    return 2 * (os.cpu_count() or 1)


# The messages of playwright begin with its object and method.
_OF_CHROMIUM = r"^\w*Error: (Browser|BrowserContext|Frame|Keyboard|Locator|Mouse|Page)\.\w+: "


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long and goes one after the other, so that nothing waits for it.

    A test in a browser has a second try when Chromium itself gave up, which a busy machine makes it
    do; the summary names each. A failed assertion has none.
    """
    items.sort(key=_weight)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=[_OF_CHROMIUM]))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Have each worker of a whole run begin with other modules than the others.

    In a new clone each module is compiled once so, and not by every worker at the same time.
    """
    tests = Path(__file__).parent
    worker, count = (os.environ.get(f"PYTEST_XDIST_WORKER{end}") for end in ("", "_COUNT"))
    if worker and count and [Path(one).resolve() for one in session.config.args] == [tests]:
        for file in sorted(tests.rglob("test_*.py"))[int(worker.removeprefix("gw")) :: int(count)]:
            # One that cannot be imported is told of when it is collected.
            with suppress(Exception, pytest.skip.Exception):
                import_module(".".join(file.relative_to(tests.parent).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the collector pass over what was imported and collected: it stays to the end."""
    gc.freeze()


def _weight(item: pytest.Item) -> int:
    if item.get_closest_marker("xdist_group") is not None:
        return 0
    return 1 if item.nodeid.startswith("tests/wire/") or "any_input" in item.nodeid else 2
