"""What the command line tells of itself, and what it costs to start."""

import json
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from admin_api.commands.terminal.examples import EXAMPLES, EXIT_STATUS
from gateway.__main__ import COMMANDS, GROUPS, postroom
from tests.commands.operator import Operator, type_alone
from tests.support.server import ROOT

MOST_MODULES = 480
# Those of the server, of the mail side and of passwords: no listing needs them.
HEAVY = {"aiosmtpd", "argon2", "nh3", "prometheus_client", "psycopg", "uvicorn"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that can be typed, with its words."""
    with click.Context(postroom, info_name="postroom") as context:
        for name in COMMANDS:
            command = postroom.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from ((f"{name} {word}", each) for word, each in command.commands.items())
            else:
                yield name, command


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_the_help_of_a_command_fits_80_columns_and_ends_with_an_example(words: str) -> None:
    shown = type_alone(*words.split(), "--help").stdout.splitlines()

    assert max(map(len, shown)) <= 80
    assert f"  {EXIT_STATUS}" in shown
    assert shown[-1].startswith(f"    postroom {words}")


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=lambda value: str(value)[:30])
def test_an_example_is_right_usage(words: str, command: click.Command) -> None:
    typed = shlex.split(re.sub(r" [<>] .*", "", EXAMPLES[words]))[len(words.split()) :]
    here = [re.sub(r"^/var/backups/.*", "/", word) for word in typed]  # it has to exist

    with command.make_context(words, here) as context:
        assert context.params is not None


def test_the_commands_are_shown_in_groups() -> None:
    shown = type_alone("--help").stdout

    assert [line[:-1] for line in shown.splitlines() if line.endswith(":")][1:] == [*GROUPS]
    assert max(map(len, shown.splitlines())) <= 80
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


def test_no_sentence_of_a_list_of_commands_is_cut() -> None:
    groups = [words.split()[0] for words, _ in commands() if " " in words]

    shown = [type_alone(*words, "--help").stdout for words in [(), *({(one,) for one in groups})]]

    lines = [line for text in shown for line in text.splitlines() if line.startswith("  ")]
    assert [line for line in lines if line.endswith("...")] == []


def test_every_command_and_option_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "command-line.md").read_text()
    typed = [
        line.strip().removeprefix("postroom ")
        for line in manual.replace("\n" + " " * 28, " ").splitlines()
        if line.startswith("    postroom ")
    ]
    for words, command in commands():
        *group, name = words.split()
        lines = [line for line in typed if _names(line, group, name)]
        assert lines, f"{words} is not in docs/command-line.md"
        options = {opt for one in command.params for opt in one.opts if opt.startswith("--")}
        for option in options - {"--config", "--data", "--json"}:
            assert any(option in line for line in lines), f"{words} {option} is not there"


def _names(line: str, group: list[str], name: str) -> bool:
    """Whether a line such as `domain add|check DOMAIN` is about this command."""
    first, *rest = line.split()
    if not group:
        return name in first.split("|")
    return first == group[0] and bool(rest) and name in rest[0].split("|")


def test_the_version_is_that_of_the_package() -> None:
    assert type_alone("--version").stdout == f"postroom {version('postroom')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_their_words(shell: str) -> None:
    script = type_alone("completion", shell).stdout
    typed = {"COMP_WORDS": "postroom tenant re", "COMP_CWORD": "2"}
    if shell == "fish":
        typed = {"COMP_WORDS": "postroom tenant re", "COMP_CWORD": "re"}

    environment = typed | {"_POSTROOM_COMPLETE": f"{shell}_complete"}
    told = CliRunner().invoke(postroom, [], env=environment, prog_name="postroom").stdout

    assert f"_POSTROOM_COMPLETE={shell}_complete" in script
    assert "rename" in told
    assert "list" not in told


def test_a_listing_loads_few_modules_and_no_server(operator: Operator) -> None:
    """Importing takes nearly all of the time in which a command starts."""
    operator.furnish()
    program = f"""
import json, os, sys
from gateway.__main__ import postroom
counted = {{}}
for words in {LISTINGS!r}:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            postroom([*words.split(), "--data", {str(operator.data)!r}], standalone_mode=False)
        finally:
            heavy = sorted({HEAVY!r} & set(sys.modules))
            os.write(writing, json.dumps([len(sys.modules), heavy]).encode())
            os._exit(0)
    os.close(writing)
    counted[words] = json.loads(os.read(reading, 4096))
    os.wait()
print(json.dumps(counted))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    counted = json.loads(done.stdout)

    assert {words: heavy for words, (_, heavy) in counted.items() if heavy} == {}
    assert {words: count for words, (count, _) in counted.items() if count > MOST_MODULES} == {}


def test_a_command_starts_in_few_times_what_the_interpreter_and_click_take(
    operator: Operator,
) -> None:
    """Processor time, within one run: 2.2 to 3.1 times that, the more the busier the machine."""
    operator.furnish()

    def seconds(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, *words]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=100, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    least = min(seconds("-c", "import asyncio, click, sqlite3") for _ in range(3))
    listed = ("-m", "gateway", "domain", "list", "--data", str(operator.data))
    assert min(seconds(*listed) for _ in range(3)) < 4 * least


LISTINGS = (
    "tenant list",
    "user list",
    "domain list",
    "inbox list",
    "list list",
    "token list",
    "list show team@acme.test",
    "messages list --inbox a@acme.test",
    "agenda --inbox a@acme.test",
    "audit-log --tenant Acme",
)
