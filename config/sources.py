"""Sources of settings: a TOML file, POSTROOM_* variables, the command line.

Rules: a source yields its values under known keys, unparsed, and a fault for everything else; it
never stops at the first. An unknown key gets the nearest known one as a hint. A fault never shows a
value: that of an unknown key may be a secret. An unknown variable is a warning and no fault:
Kubernetes and Docker put variables of their own into each container of a service called postroom.
These are ignored.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "POSTROOM_"
FILE_SUFFIX = "_FILE"
CONFIG = "POSTROOM_CONFIG"
TESTS = "POSTROOM_TEST_"
SECRET_MAX = 64 << 10
WARNINGS_MAX = 20
# Docker links, and the variables of Kubernetes for services whose names begin with postroom.
LINKS = re.compile(
    r"POSTROOM_(?:PORT(?:_.*)?|NAME|ENV_.*|(?:.*_)?SERVICE_(?:HOST|PORT(?:_.*)?))", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its source, its key (or none), and the message."""

    origin: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, self.key, self.message) if part)


@dataclass(frozen=True, slots=True)
class Given:
    """A value as its source has it, not yet parsed."""

    origin: str
    key: str
    value: object


Source = tuple[list[Given], list[Fault]]


def named_file(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that POSTROOM_CONFIG names."""
    name = environ.get(CONFIG, "")
    return Path(name) if name else None


def from_file(path: Path, known: tuple[str, ...]) -> Source:
    """Read the keys of a TOML file."""
    origin = f"file {path}"
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        return [], [Fault(origin, "", f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError:
        return [], [Fault(origin, "", "is not UTF-8")]
    except (ValueError, RecursionError) as error:
        return [], [Fault(origin, "", f"is not TOML: {error}")]
    return _sorted_out(table, known, origin)


def from_command_line(overrides: Mapping[str, object], known: tuple[str, ...]) -> Source:
    """Take the given options; None stands for one that was not given."""
    chosen = {key: value for key, value in overrides.items() if value is not None}
    return _sorted_out(chosen, known, "command line")


def _sorted_out(table: Mapping[str, object], known: tuple[str, ...], origin: str) -> Source:
    given = [Given(origin, key, value) for key, value in table.items() if key in known]
    faults = [
        Fault(origin, "", f"unknown key {_name(key)}{_hint(key, known)}")
        for key in table
        if key not in known
    ]
    return given, faults


def from_environment(environ: Mapping[str, str], known: tuple[str, ...]) -> Source:
    """Read the POSTROOM_* variables; POSTROOM_X_FILE names a file that holds the value of x."""
    given: list[Given] = []
    faults: list[Fault] = []
    names = [name for name in environ if name.startswith(PREFIX) and not _is_ours(name)]
    for name in sorted(names):
        key, from_its_file = _key(name, known)
        origin = f"environment {name}"
        if key is None:
            continue
        if not from_its_file:
            given.append(Given(origin, key, environ[name]))
        # No silent winner: the operator would change one secret, and the other would count.
        elif name.removesuffix(FILE_SUFFIX) in environ:
            faults.append(Fault(origin, key, f"{name.removesuffix(FILE_SUFFIX)} is set, too"))
        else:
            try:
                given.append(Given(origin, key, _content(Path(environ[name]))))
            except ValueError as error:
                faults.append(Fault(origin, key, str(error)))
    return given, faults


def unknown_variables(environ: Mapping[str, str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return a warning for each POSTROOM_* variable that sets nothing; the first 20."""
    names = [
        name
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and not _is_ours(name)
        and _key(name, known)[0] is None
        and not LINKS.fullmatch(name)
    ]
    return tuple(
        f"unknown variable {_name(name)}{_hint(name.removeprefix(PREFIX), known, _variable)}"
        for name in names[:WARNINGS_MAX]
    )


def _is_ours(name: str) -> bool:
    return name == CONFIG or name.startswith(TESTS)


def _key(name: str, known: tuple[str, ...]) -> tuple[str | None, bool]:
    """Return the key that a variable sets, and whether by naming a file."""
    for suffix in ("", FILE_SUFFIX):
        key = name.removeprefix(PREFIX).removesuffix(suffix).lower()
        if key in known and name == PREFIX + key.upper() + suffix:
            return key, bool(suffix)
    return None, False


def _content(path: Path) -> str:
    """Return the content of a secret's file, without the newline that an editor leaves behind."""
    try:
        with path.open("rb") as file:
            # Bounded: the variable may name /dev/zero.
            content = file.read(SECRET_MAX + 1)
    except OSError as error:
        raise ValueError(f"its file cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("its file cannot be read: no such name") from None
    if len(content) > SECRET_MAX:
        raise ValueError("its file is larger than 64 KiB")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("its file is not UTF-8") from None


def _variable(key: str) -> str:
    return PREFIX + key.upper()


def _hint(name: str, known: tuple[str, ...], write: Callable[[str], str] = str) -> str:
    """Return "; did you mean 'x'?" for the nearest known name, or nothing."""
    plain = name.replace("-", "_").lower()
    # difflib's time grows with the square of the length, and an unknown name has any.
    near = difflib.get_close_matches(plain[:100], known, n=1, cutoff=0.7)
    return f"; did you mean '{write(near[0])}'?" if near else ""


def _name(text: str) -> str:
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:79] + "…"
