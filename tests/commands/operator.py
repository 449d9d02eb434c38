"""An operator at a store of their own: types commands, reads what they say."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner, Result

from gateway.__main__ import postroom
from storage.engines.opening import EMBEDDED
from tests.support.engines import Engine, Held

Record = dict[str, Any]  # one JSON object; the border of the command line


@dataclass(frozen=True, slots=True)
class Operator:
    """Types commands for the store in `data`; settings come from there only."""

    data: Path

    def type(self, *words: str, stdin: str | None = None) -> Result:
        """Run a command whatever becomes of it."""
        return type_alone(*words, "--data", str(self.data), stdin=stdin)

    def ask(self, *words: str, stdin: str | None = None) -> Record:
        """Run a command that must succeed; its JSON document, which is an object."""
        return cast(Record, self._document(words, stdin))

    def ask_all(self, *words: str) -> list[Record]:
        """Run a command that must succeed; its JSON document, which is an array."""
        return cast("list[Record]", self._document(words, None))

    def _document(self, words: tuple[str, ...], stdin: str | None) -> object:
        result = self.type(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, (words, result.output, result.exception)
        assert result.stderr == "", result.stderr
        return json.loads(result.stdout)

    def fault(self, *words: str, status: int = 1) -> str:
        """Run a command that must fail and print nothing on stdout; what it says on stderr."""
        result = self.type(*words)
        assert result.exit_code == status, (words, result.output, result.exception)
        assert result.stdout == "", result.stdout
        return result.stderr

    def furnish(self, tenant: str = "Acme", domain: str = "acme.test") -> None:
        """Make a tenant with a trusted domain, the inboxes a@ and b@, and their list team@.

        A process has that typed once, and copies the embedded store where there is none yet.
        """
        store = Engine("sqlite", EMBEDDED, self.data)
        is_new = store.is_new and "POSTROOM_STORE" not in os.environ
        if is_new and (tenant, domain) in _furnished:
            store.fill(_furnished[tenant, domain])
            return
        self._furnish(tenant, domain)
        if is_new:
            _furnished[tenant, domain] = store.held()

    def _furnish(self, tenant: str, domain: str) -> None:
        self.ask("tenant", "create", tenant)
        self.ask("domain", "trust", domain, "--tenant", tenant)
        self.ask("list", "create", f"team@{domain}", "--tenant", tenant, "--name", "Team")
        for name in ("a", "b"):
            self.ask("inbox", "create", f"{name}@{domain}", "--tenant", tenant)
            self.ask("list", "add", f"team@{domain}", f"{name}@{domain}")


_furnished: dict[tuple[str, str], Held] = {}  # of this process


def type_alone(*words: str, stdin: str | None = None) -> Result:
    """Run a command without naming a store."""
    return CliRunner().invoke(postroom, list(words), input=stdin, prog_name="postroom")
