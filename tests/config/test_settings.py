import dataclasses
import pickle
import socket
from ipaddress import ip_network
from pathlib import Path

import pytest

from config.loading import DEMO, EXAMPLE, SettingsError, describe, load
from config.settings import Settings, keys
from config.values import HIDDEN, Endpoint


def write(directory: Path, text: str) -> Path:
    path = directory / "postroom.toml"
    path.write_text(text)
    return path


def faults(
    path: Path | None = None,
    environ: dict[str, str] | None = None,
    overrides: dict[str, object] | None = None,
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {}, overrides or {})
    return [str(fault) for fault in caught.value.faults]


def test_without_any_source_everything_is_loopback_only() -> None:
    settings = load(None, {}, {})

    assert settings.smtp == (Endpoint("127.0.0.1", 2525),)
    assert settings.http == (Endpoint("127.0.0.1", 8025),)
    assert settings.exempt_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert settings.trusted_proxies == ()
    assert settings == Settings()


def test_the_example_names_every_key_with_its_default() -> None:
    settings = load(EXAMPLE, {}, {})

    assert settings == Settings()
    assert list(settings.origins) == list(keys())
    assert set(settings.origins.values()) == {f"file {EXAMPLE}"}


def test_the_example_explains_every_key_as_the_code_does() -> None:
    text = EXAMPLE.read_text()

    for item in describe(Settings()):
        assert f"\n# {item.about}\n{item.key} = " in text


def test_the_demo_settings_are_good() -> None:
    assert load(DEMO, {}, {}).hostname == "postroom.example.test"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'max_recipients = 1\nmax_connections = 2\napi_burst = 3\ndata = "a"\n')
    environ = {"POSTROOM_MAX_CONNECTIONS": "20", "POSTROOM_API_BURST": "30"}

    settings = load(path, environ, {"api_burst": 300, "data": tmp_path, "smtp": None})

    assert (settings.max_recipients, settings.max_connections) == (1, 20)
    assert (settings.api_burst, settings.data) == (300, tmp_path)
    assert settings.origins["max_recipients"] == f"file {path}"
    assert settings.origins["max_connections"] == "environment POSTROOM_MAX_CONNECTIONS"
    assert settings.origins["api_burst"] == "command line"
    assert settings.origins["smtp"] == "default"


def test_a_value_that_another_source_overrides_is_checked_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, "api_burst = 0\n")

    assert faults(path, {"POSTROOM_API_BURST": "5"}) == [
        f"file {path}: api_burst: expected a whole number from 1 to 2147483647"
    ]


def test_faults_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "colour = 1\n")

    told = faults(path, {"POSTROOM_SMTP": "x"}, {"http": "z"})

    assert told == [
        f"file {path}: unknown key 'colour'",
        "environment POSTROOM_SMTP: smtp: expected host:port, such as 127.0.0.1:2525, not 'x'",
        "command line: http: expected host:port, such as 127.0.0.1:2525, not 'z'",
    ]


def test_the_file_may_be_named_by_a_variable_and_an_option_wins(tmp_path: Path) -> None:
    named = write(tmp_path, "api_burst = 7\n")
    environ = {"POSTROOM_CONFIG": str(named)}

    assert load(None, environ, {}).api_burst == 7
    assert load(EXAMPLE, environ, {}).api_burst == 100


def test_a_file_that_is_not_there_is_a_fault() -> None:
    assert faults(Path("nowhere.toml")) == [
        "file nowhere.toml: cannot be read: No such file or directory"
    ]


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "postroom.toml"
    path.write_bytes(b"hostname = '\xff'")

    assert faults(path) == [f"file {path}: is not UTF-8"]


def test_a_file_nested_without_end_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, "smtp = " + "[" * 100_000)

    (told,) = faults(path)
    assert told.startswith(f"file {path}: is not TOML: ")


def test_variables_of_tests_and_of_others_are_no_settings() -> None:
    environ = {"POSTROOM_TEST_X": "1", "POSTROOM": "x", "PATH": "/bin", "_POSTROOM_COMPLETE": "x"}

    assert load(None, environ, {}) == Settings()


def test_an_unknown_variable_is_a_warning_with_a_hint_and_no_reason_not_to_start() -> None:
    environ = {"POSTROOM_SMPT": "y", "POSTROOM_smtp": "127.0.0.1:25", "POSTROOM_ZZZ": "hush"}

    settings = load(None, environ, {})

    assert settings == Settings()
    assert settings.warnings == (
        "unknown variable 'POSTROOM_SMPT'; did you mean 'POSTROOM_SMTP'?",
        "unknown variable 'POSTROOM_ZZZ'",
        "unknown variable 'POSTROOM_smtp'; did you mean 'POSTROOM_SMTP'?",
    )


def test_variables_of_kubernetes_and_docker_links_are_passed_over() -> None:
    links = "PORT PORT_25_TCP PORT_25_TCP_ADDR NAME ENV_PATH SERVICE_HOST SERVICE_PORT"
    services = "SERVICE_PORT_HTTP API_SERVICE_HOST API_SERVICE_PORT API_SERVICE_PORT_SMTP"
    environ = {f"POSTROOM_{name}": "tcp://10.0.0.1:25" for name in f"{links} {services}".split()}

    assert load(None, environ, {}).warnings == ()


def test_of_unknown_variables_the_first_twenty_are_told() -> None:
    environ = {f"POSTROOM_Z{number:03}": "" for number in range(1000)}

    assert len(load(None, environ, {}).warnings) == 20


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hush\n")

    settings = load(None, {"POSTROOM_METRICS_TOKEN_FILE": str(path)}, {})

    assert settings.metrics_token == "hush"
    assert settings.origins["metrics_token"] == "environment POSTROOM_METRICS_TOKEN_FILE"


def test_a_secret_file_that_is_missing_not_text_or_too_large_is_a_fault(tmp_path: Path) -> None:
    name = "POSTROOM_METRICS_TOKEN_FILE"
    path = tmp_path / "token"

    assert faults(environ={name: str(path)}) == [
        f"environment {name}: metrics_token: its file cannot be read: No such file or directory"
    ]
    path.write_bytes(b"\xff")
    assert faults(environ={name: str(path)}) == [
        f"environment {name}: metrics_token: its file is not UTF-8"
    ]
    path.write_bytes(b"x" * 100_000)
    assert faults(environ={name: str(path)}) == [
        f"environment {name}: metrics_token: its file is larger than 64 KiB"
    ]


def test_a_variable_and_its_file_together_are_a_fault(tmp_path: Path) -> None:
    environ = {"POSTROOM_METRICS_TOKEN": "a", "POSTROOM_METRICS_TOKEN_FILE": str(tmp_path)}

    (told,) = faults(environ=environ)
    assert told.endswith("metrics_token: POSTROOM_METRICS_TOKEN is set, too")


def test_a_secret_is_in_no_description_repr_or_fault() -> None:
    settings = load(None, {"POSTROOM_METRICS_TOKEN": "hush-hush"}, {})

    described = {item.key: item.value for item in describe(settings)}
    assert described["metrics_token"] == HIDDEN
    assert "hush" not in repr(settings)
    assert "hush" not in " ".join(faults(environ={"POSTROOM_METRICS_TOKEN": "hush hush"}))
    assert "hush" not in " ".join(load(None, {"POSTROOM_METRICS_TOCKEN": "hush"}, {}).warnings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:hush@db/mail", "postgresql://ann:(hidden)@db/mail"),
        ("postgres://ann:hu%40sh@[::1]:5433/mail", "postgres://ann:(hidden)@[::1]:5433/mail"),
        ("postgresql://a,b:5433/?user=ann&password=hush", None),
        ("postgresql:///mail?sslpassword=hush&sslmode=verify-full", None),
        ("postgresql://ann@%2Frun%2Fpostgresql/mail", "postgresql://ann@%2Frun%2Fpostgresql/mail"),
        (
            "postgresql://ann:hush@[::1]:1,db:2/mail?target_session_attrs=primary",
            "postgresql://ann:(hidden)@[::1]:1,db:2/mail?target_session_attrs=primary",
        ),
        ("postgresql:///mail?host=/run/a,/run/b&port=1,2&password=hush", None),
    ],
)
def test_the_password_in_the_url_of_the_store_is_shown_nowhere(url: str, shown: str | None) -> None:
    settings = load(None, {"POSTROOM_STORE": url}, {})

    assert settings.store == url
    described = {item.key: item.value for item in describe(settings)}["store"]
    assert described == (shown or url.replace("=hush", "=(hidden)"))
    assert "hush" not in described + repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hu@sh@db/mail",
        "postgresql://ann:hu/sh@db/mail",
        "postgresql://ann:hu?sh@db/mail",
        "postgresql://ann:hu#sh@db/mail",
        "postgresql://ann:hu sh@db/mail",
        "postgresql://ann:hu%sh@db/mail",
        "postgresql://db/mail?passw%6Frd=hush",
        "hush://ann:hush@db/mail",
        "postgresql+asyncpg://ann:hush@db/mail",
        "postgresql://ann:hush@db:99999/mail",
        "postgresql://ann:hush@db,other:hu/mail",
        "postgresql://ann:hush@db,other/mail?target_session_attrs=any",
        "postgresql://ann:hush@db/mail?target_session_attrs=standby",
    ],
)
def test_a_url_of_the_store_that_cannot_be_read_for_certain_is_refused_unshown(url: str) -> None:
    told = " ".join(faults(environ={"POSTROOM_STORE": url}))

    assert "store: expected" in told
    assert "hu" not in told


def test_the_store_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_text("postgresql://ann:hush@db/mail\n")

    settings = load(None, {"POSTROOM_STORE_FILE": str(path)}, {})

    assert settings.store == "postgresql://ann:hush@db/mail"


def test_no_secret_is_shown_as_none() -> None:
    assert {item.key: item.value for item in describe(Settings())}["metrics_token"] == ""


def test_what_is_described_can_be_given_back_in_variables() -> None:
    settings = load(
        None,
        {
            "POSTROOM_SMTP": "[::1]:25, 0.0.0.0:0, 0.0.0.0:0",
            "POSTROOM_SIZE_LIMIT": "65537",
            "POSTROOM_DATA_TIMEOUT": "0.25",
            "POSTROOM_EXEMPT_NETWORKS": "",
            "POSTROOM_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32",
            "POSTROOM_POSTMASTER": "büro@bücher.example",
        },
        {},
    )

    environ = {f"POSTROOM_{item.key.upper()}": item.value for item in describe(settings)}
    assert load(None, environ, {}) == settings


def test_every_setting_is_described_in_one_sentence() -> None:
    for item in describe(Settings()):
        assert item.about.endswith(".")
        assert len(item.about) <= 98


def test_settings_are_frozen_and_can_cross_to_another_process() -> None:
    settings = load(None, {}, {})

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.hostname = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("machine", "shown"),
    [
        ("Mail.Example.COM", "mail.example.com"),
        ("box-1", "box-1"),
        ("bad name", "localhost.localdomain"),
        ("12345", "localhost.localdomain"),
        ("", "localhost.localdomain"),
    ],
)
def test_without_a_hostname_it_is_the_machines_where_that_can_be_one(
    monkeypatch: pytest.MonkeyPatch, machine: str, shown: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)

    assert load(None, {}, {}).hostname == shown
