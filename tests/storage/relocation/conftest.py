"""What the tests of this folder share."""

from tests.support.fixtures import servers

__all__ = ["servers"]
