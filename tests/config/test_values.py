import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import listening, urls, values
from config.listening import ListenAddress, UnixSocket
from config.values import Endpoint

SIZE = values.size(minimum=64 << 10, maximum=2 << 30)


@pytest.mark.parametrize(
    ("given_value", "parsed"),
    [
        ("127.0.0.1:25", [Endpoint("127.0.0.1", 25)]),
        ("[::1]:25", [Endpoint("::1", 25)]),
        ("[0:0::1]:0", [Endpoint("::1", 0)]),
        ("localhost:2525,mail.example.com:25", None),
        (["0.0.0.0:25", " [::]:25 "], [Endpoint("0.0.0.0", 25), Endpoint("::", 25)]),
        ("127.0.0.1:0, 127.0.0.1:0", [Endpoint("127.0.0.1", 0)] * 2),
        ("unix:/run/postroom/http", [UnixSocket(Path("/run/postroom/http"))]),
        ("unix:/run/a,[::1]:25", [UnixSocket(Path("/run/a")), Endpoint("::1", 25)]),
    ],
)
def test_addresses_of_http(given_value: object, parsed: list[ListenAddress] | None) -> None:
    found = listening.http_addresses(given_value)

    assert len(found) in (1, 2)
    assert parsed is None or list(found) == parsed


@pytest.mark.parametrize(
    "bad",
    (
        *("", ",", "25", ":25", "host", "host:", "host:x", "host:-1", "host:٢٥", "a b:25"),
        *("[::1]", "[::1:25", "127.1:25", "host:99999", "-a:25", "a..b:25"),
        *(25, None, [25], {"host": "a"}),
        *("unix:", "unix:a", "unix:/a\0b", "unix:/a,unix:/a", "unix:/\ud800", f"unix:/{'a' * 107}"),
        "proxy:127.0.0.1:25",  # HTTP has headers of its own for that
    ),
)
def test_what_is_no_address_of_http(bad: object) -> None:
    with pytest.raises(ValueError):
        listening.http_addresses(bad)


def test_addresses_of_mail() -> None:
    mixed = "127.0.0.1:25, [::1]:25, proxy:[::]:2525, unix:/run/postroom/mail"
    found = (
        *(Endpoint("127.0.0.1", 25), Endpoint("::1", 25), Endpoint("::", 2525, proxy=True)),
        UnixSocket(Path("/run/postroom/mail")),
    )

    assert listening.smtp_addresses(mixed) == listening.mail_addresses(mixed) == found
    assert ", ".join(map(str, found)) == mixed
    assert listening.mail_addresses("") == ()
    with pytest.raises(ValueError, match="or unix:/path"):
        listening.smtp_addresses("")
    with pytest.raises(ValueError, match="not for a unix socket"):
        listening.mail_addresses("proxy:unix:/run/postroom/mail")


@pytest.mark.parametrize(
    ("given_value", "octets"),
    [(65536, 65536), ("65536", 65536), ("64KiB", 65536), ("64 kib", 65536), ("2GiB", 2 << 30)],
)
def test_sizes(given_value: object, octets: int) -> None:
    assert SIZE(given_value) == octets


@given(st.integers(min_value=64 << 10, max_value=2 << 30))
def test_a_size_is_written_as_it_is_read(octets: int) -> None:
    assert SIZE(values.size_text(octets)) == octets


@pytest.mark.parametrize("bad", [65535, "63KiB", "-1", 1e6, True, "50MB", "", "٥MiB", 10**30, [1]])
def test_what_is_no_size(bad: object) -> None:
    with pytest.raises(ValueError):
        SIZE(bad)


@pytest.mark.parametrize("good", [0.5, "0.5", 3, "3", "1e2"])
def test_seconds(good: float | str) -> None:
    assert values.seconds(minimum=0.01)(good) == float(good)


@pytest.mark.parametrize(
    "bad", [0, "0", -1, "x", "", math.nan, "nan", math.inf, "inf", True, None, 10**400]
)
def test_what_is_no_time(bad: object) -> None:
    with pytest.raises(ValueError):
        values.seconds(minimum=0.01)(bad)


@pytest.mark.parametrize("bad", ["1_000", "+1", " ", "٣", "1.0", 1.0, 0, -1, 2**31, True, None])
def test_what_is_no_count(bad: object) -> None:
    with pytest.raises(ValueError):
        values.count()(bad)


@pytest.mark.parametrize(
    "good", ["", "office@example.com", '"of fice"@x'.replace(" ", ""), "büro@bücher.example"]
)
def test_mailboxes(good: str) -> None:
    assert values.mailbox(f" {good} ") == good


@pytest.mark.parametrize(
    "bad", ["x", "@x", "x@", "x@-", "x@a..b", "a b@x", "a\nb@x", "x@1.2.3.4", "a" * 65 + "@x", 1]
)
def test_what_is_no_mailbox(bad: object) -> None:
    with pytest.raises(ValueError):
        values.mailbox(bad)


def test_a_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert values.directory("~/mail") == tmp_path / "mail"


@pytest.mark.parametrize(
    "parse",
    [
        listening.http_addresses,
        values.networks,
        SIZE,
        values.count(),
        values.seconds(minimum=0),
        values.choice(("a", "b")),
        values.directory,
        values.hostname,
        urls.public_url,
        values.mailbox,
        values.secret,
        urls.store,
    ],
)
@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_no_value_is_answered_with_anything_but_a_short_printable_message(
    parse: Callable[[object], object], value: object
) -> None:
    try:
        parse(value)
    except ValueError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("given_value", "parsed", "text"),
    [
        ("", None, ""),
        (" ", None, ""),
        ("192.0.2.53:53", Endpoint("192.0.2.53", 53), "192.0.2.53:53"),
        (" [2001:db8::53]:5353", Endpoint("2001:db8::53", 5353), "[2001:db8::53]:5353"),
        ("resolver:53", Endpoint("resolver", 53), "resolver:53"),
    ],
)
def test_a_dns_server(given_value: str, parsed: Endpoint | None, text: str) -> None:
    assert values.name_server(given_value) == parsed
    assert values.optional_text(parsed) == text


@pytest.mark.parametrize(
    ("given_value", "parsed"),
    [
        ("", ""),
        (" HTTPS://Mail.Example.com/ ", "https://mail.example.com"),
        ("https://mail.example.com:443", "https://mail.example.com"),
        ("https://mail.example.com:8443", "https://mail.example.com:8443"),
        ("http://localhost:8025", "http://localhost:8025"),
        ("http://127.0.0.2", "http://127.0.0.2"),
        ("http://[::1]:8025", "http://[::1]:8025"),
    ],
)
def test_a_public_url(given_value: str, parsed: str) -> None:
    assert urls.public_url(given_value) == parsed
    assert urls.public_url(parsed) == parsed


@pytest.mark.parametrize(
    "given_value",
    [
        "http://192.0.2.1",
        "http://localhost.example.com",
        "https://",
        "https://a b",
        "https://ann@mail.example.com",
        "https://mail.example.com?x",
        "https://mail.example.com:99999",
        "https://[fe80::1%25eth0]",
        "https://[::1",
        "https://1.2.3",
        "ftp://mail.example.com",
        "//mail.example.com",
        7,
        None,
    ],
)
def test_no_public_url(given_value: object) -> None:
    with pytest.raises(ValueError, match="expected https"):
        urls.public_url(given_value)
