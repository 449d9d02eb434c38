"""Reads the settings from their sources, and shows them.

- The command line wins over the environment, the environment over the file, the file over the
  defaults.
- Every value of every source is checked, also one that another source overrides, and all faults
  are reported together.
- An unknown variable is a warning only: other programs use the prefix too.
- A secret appears in no fault and no description. Nothing else in Postroom reads the environment.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from config import sources
from config.settings import Settings, keys
from config.sources import Fault, Given
from config.together import faults_together
from config.values import HIDDEN

EXAMPLE = Path(__file__).with_name("example.toml")
DEMO = Path(__file__).with_name("demo.toml")


class SettingsError(Exception):
    """All faults of the settings; its text has one line a fault."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class Described(NamedTuple):
    """One setting for an operator's eyes; `value` can be given back in a variable."""

    key: str
    value: str
    origin: str
    about: str


def load(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> Settings:
    """Read the settings from a TOML file, POSTROOM_* variables and the command line.

    Without `path` the file is the one POSTROOM_CONFIG names, if it is set. An override that is None
    was not given. Raises SettingsError with every fault there is.
    """
    known = keys()
    path = path or sources.named_file(environ)
    given: list[Given] = []
    faults: list[Fault] = []
    for found, wrong in (
        sources.from_file(path, known) if path else ([], []),
        sources.from_environment(environ, known),
        sources.from_command_line(overrides, known),
    ):
        given += found
        faults += wrong
    return _checked(given, faults, sources.unknown_variables(environ, known))


def _checked(given: list[Given], faults: list[Fault], warnings: tuple[str, ...]) -> Settings:
    """Parse all given values, later sources over earlier ones."""
    declared = {item.name: item for item in fields(Settings) if item.metadata}
    accepted: dict[str, object] = {}
    origins = dict.fromkeys(declared, "default")
    for item in given:
        try:
            accepted[item.key] = declared[item.key].metadata["parse"](item.value)
        except ValueError as error:
            faults.append(Fault(item.origin, item.key, str(error)))
        origins[item.key] = item.origin
    settings = Settings(**accepted, origins=origins, warnings=warnings)  # type: ignore[arg-type]
    unsure = {fault.key for fault in faults}
    faults += faults_together(settings, unsure)
    if faults:
        raise SettingsError(tuple(faults))
    return settings


def describe(settings: Settings) -> list[Described]:
    """Return each setting's value and its origin; secrets are hidden."""
    return [
        Described(
            key=item.name,
            value=_shown(getattr(settings, item.name), item.metadata),
            origin=settings.origins.get(item.name, "default"),
            about=item.metadata["about"],
        )
        for item in fields(settings)
        if item.metadata
    ]


def _shown(value: object, rules: Mapping[str, object]) -> str:
    if rules["secret"]:
        return HIDDEN if value else ""
    write = rules["write"]
    assert callable(write)
    return str(write(value))
