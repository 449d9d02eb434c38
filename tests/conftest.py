"""What every test shares: stores on both engines, and hypothesis without deadlines.

On CI hypothesis tries the same examples on every run.
"""

import os

from hypothesis import settings

from tests.storage.engines import database, databases, engine, engines

__all__ = ["database", "databases", "engine", "engines"]

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")
