import json
import os
import pty
import subprocess
import sys
import termios
import tty
from pathlib import Path

import pytest

from admin_api.commands.terminal.invocation import laid_out, table
from config.loading import load
from gateway.__main__ import COMMANDS
from gateway.commands import startup
from tests.commands.operator import Operator, type_alone
from tests.support.server import ROOT


@pytest.mark.parametrize("place", range(3))
def test_shared_options_are_taken_at_every_place(tmp_path: Path, place: int) -> None:
    words = ["tenant", "create", "Acme"]
    at = {0: 0, 1: 1, 2: 3}[place]

    result = type_alone(*words[:at], "--json", "--data", str(tmp_path), *words[at:])

    assert json.loads(result.stdout)["name"] == "Acme"
    assert (tmp_path / "postroom.db").exists()


def test_the_last_word_counts(tmp_path: Path) -> None:
    result = type_alone(
        "--data", str(tmp_path / "no"), "tenant", "create", "Acme", "--data", str(tmp_path / "yes")
    )

    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["yes"]


def test_the_store_is_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "postroom.toml"
    file.write_text(f'data = "{tmp_path / "by-file"}"\n')

    assert type_alone("tenant", "create", "Acme", "--config", str(file)).exit_code == 0
    monkeypatch.setenv("POSTROOM_DATA", str(tmp_path / "by-variable"))
    assert type_alone("tenant", "create", "Acme", "--config", str(file)).exit_code == 0

    assert (tmp_path / "by-file/postroom.db").exists()
    assert (tmp_path / "by-variable/postroom.db").exists()


@pytest.mark.parametrize("command", [*COMMANDS])
def test_every_command_explains_itself_and_takes_the_shared_options(command: str) -> None:
    shown = type_alone(command, "--help")

    assert shown.exit_code == 0
    assert shown.stderr == ""
    for option in ("--config FILE", "--data DIR", "--json"):
        assert option in shown.stdout


def test_the_commands_are_listed() -> None:
    shown = type_alone("--help").stdout

    assert all(f"\n  {command}" in shown for command in COMMANDS)


def test_right_settings_are_called_right() -> None:
    assert type_alone("config", "check").stdout == "The settings are right.\n"
    assert json.loads(type_alone("config", "check", "--json").stdout) == {"ok": True, "faults": []}


def test_all_faults_of_the_settings_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "postroom.toml"
    file.write_text('smpt = "x"\nhttp = "nowhere"\n')
    monkeypatch.setenv("POSTROOM_SIZE_LIMIT", "tiny")

    for words in (["config", "check"], ["config", "show"], ["tenant", "list"], ["serve"]):
        result = type_alone(*words, "--config", str(file))

        assert result.exit_code == 1
        assert result.stdout == ""
        assert "'smpt'; did you mean 'smtp'?" in result.stderr
        assert "http: expected host:port" in result.stderr
        assert "size_limit: expected bytes" in result.stderr
    checked = json.loads(type_alone("config", "check", "--json", "--config", str(file)).stdout)
    assert (checked["ok"], len(checked["faults"])) == (False, 3)


def test_settings_are_shown_with_their_origin_and_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_METRICS_TOKEN", "hush-hush")
    monkeypatch.setenv("POSTROOM_SIZE_LIMIT", "1MiB")

    text = type_alone("config", "show", "--data", str(tmp_path)).stdout
    shown = json.loads(type_alone("config", "show", "--data", str(tmp_path), "--json").stdout)

    assert "hush-hush" not in text + json.dumps(shown)
    assert shown["data"] == {"value": str(tmp_path), "origin": "command line"}
    assert shown["size_limit"] == {"value": "1MiB", "origin": "environment POSTROOM_SIZE_LIMIT"}
    assert shown["smtp"] == {"value": "127.0.0.1:2525", "origin": "default"}
    assert shown["metrics_token"]["value"] == "(hidden)"


def test_what_an_operator_typed_is_not_trusted_with_the_terminal(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")

    told = operator.fault("domain", "list", "--tenant", "Acme", "x\x1b[2J")

    assert "\x1b" not in told


def test_a_command_that_needs_no_server_does_not_load_one() -> None:
    heavy = ["aiosmtpd", "argon2", "email_validator", "pydantic", "starlette", "uvicorn"]
    program = (
        "import sys; from gateway.__main__ import postroom\n"
        "postroom(['tenant', 'list', '--data', '/nonexistent'], standalone_mode=False)"
    )
    watch = f"finally: print(*(set({heavy}) & set(sys.modules)))"
    lines = [*(f"    {line}" for line in program.splitlines()), "except Exception: pass", watch]

    done = subprocess.run(
        [sys.executable, "-c", "\n".join(["try:", *lines])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == ""


def test_an_unknown_variable_is_told_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_HOSTNAM", "x")
    monkeypatch.setenv("POSTROOM_PORT", "tcp://10.0.0.1:25")

    made = type_alone("--json", "--data", str(tmp_path), "tenant", "create", "Acme")

    assert json.loads(made.stdout)["name"] == "Acme"
    assert made.stderr == (
        "Warning: environment: unknown variable 'POSTROOM_HOSTNAM';"
        " did you mean 'POSTROOM_HOSTNAME'?\n"
    )


@pytest.mark.parametrize(("user", "warned"), [(0, True), (1000, False)])
def test_the_server_warns_of_unknown_variables_and_of_root(
    user: int, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("config.logs.setup", lambda log_format, level, file: None)
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(startup, "run", lambda settings, **others: 0)

    settings = load(None, {"POSTROOM_SMPT": "x"}, {"max_connections": 1, "http_max_connections": 1})
    assert startup.serve_until_told(settings, lambda running: None) == 0

    words = [record.getMessage() for record in caplog.records]
    assert ("running_as_root" in words) == warned
    assert "unknown_variable" in words


def test_on_a_terminal_a_list_has_heads_and_is_cut_to_its_width(operator: Operator) -> None:
    operator.ask("tenant", "create", "Long " + "x" * 120)
    operator.ask("tenant", "create", "Short")
    words = ["tenant", "list", "--data", str(operator.data)]

    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    termios.tcsetwinsize(theirs, (24, 60))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=ROOT,
        env=environment,
        stdout=theirs,
        timeout=60,
        check=True,
    )
    shown = os.read(ours, 4096).decode().splitlines()
    os.close(theirs)
    os.close(ours)

    assert "NAME" in shown[0]
    assert "…" in shown[1]
    assert len(shown) == 3 and max(map(len, shown)) <= 60
    piped = type_alone(*words).stdout
    assert "NAME" not in piped and "x" * 120 in piped


def test_columns_are_cut_from_the_widest_and_the_first_one_last() -> None:
    message, time = "msg_" + "1" * 26, "2026-11-28T07:00:00Z"
    rows = [(message, time, "s" * 200), ("a", None, "b")]
    heads = ("message", "received_at", "subject")

    wide, narrow, none = (laid_out(rows, heads, columns) for columns in (80, 20, None))

    assert wide.splitlines()[1] == f"{message}  {time}  {'s' * 25}…"
    assert wide.splitlines()[0].split() == ["MESSAGE", "RECEIVED", "AT", "SUBJECT"]
    assert max(map(len, narrow.splitlines())) == 20
    assert none.splitlines()[0].endswith("s" * 200) and len(none.splitlines()) == 2


def test_a_list_that_shows_a_secret_or_a_record_is_never_cut() -> None:
    assert table([["secret", "x" * 500]], "") == "secret  " + "x" * 500
