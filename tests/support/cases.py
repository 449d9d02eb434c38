"""Many cases in one test: each is tried, and all that fail are named together."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Case = Callable[[str], AbstractContextManager[None]]


@contextmanager
def cases() -> Iterator[Case]:
    """Give `case`: `with case(name):` notes what it asserts in vain, and the next one is tried."""
    failed: list[str] = []
    tried = 0

    @contextmanager
    def case(name: str) -> Iterator[None]:
        nonlocal tried
        tried += 1
        try:
            yield
        except AssertionError as error:
            failed.append(f"{name}: {error}")

    yield case
    assert tried, "no case was tried"
    assert not failed, f"{len(failed)} of {tried} cases:\n" + "\n".join(failed)
