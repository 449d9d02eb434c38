"""Whose host and whose form it is: tables over pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.console import origin
from config.settings import Settings
from config.values import Endpoint

PUBLIC = "https://mail.example.com"


def settings(*hosts: str, **others: str) -> Settings:
    http = tuple(Endpoint(host, 8025) for host in hosts or ("127.0.0.1",))
    given: dict[str, Any] = {"hostname": "mx.postroom.test", "http": http, **others}
    return Settings(**given)


LOOPBACK = settings()
ONE = settings("192.0.2.7", "2001:db8::7")
ALL = settings("0.0.0.0")
ALL_V6 = settings("::")
BEHIND = settings("0.0.0.0", public_url=PUBLIC)


def test_the_host_of_a_header() -> None:
    table = {
        "Mail.Example.com:8025": "mail.example.com",
        "localhost": "localhost",
        "[2001:DB8::7]:80": "2001:db8::7",
        "127.0.0.1:8025": "127.0.0.1",
        "user@localhost": "",
        "localhost/x": "",
        "localhost?x": "",
        "localhost#x": "",
        "localhost:99999": "",
        "localhost:0": "",
        "localhost:x": "",
        "[::1": "",
        "": "",
        None: "",
    }
    assert {given: origin.host_of(given) for given in table} == table


@pytest.mark.parametrize(
    ("given", "own", "foreign"),
    [
        (LOOPBACK, "127.0.0.1 127.0.0.2 ::1 localhost mx.postroom.test", "192.0.2.7 10.0.0.1 ::2"),
        (ONE, "192.0.2.7 2001:db8::7 127.0.0.1 localhost", "192.0.2.8 2001:db8::8"),
        (ALL, "192.0.2.7 2001:db8::9 127.0.0.1 mx.postroom.test", "mail.example.com"),
        (ALL_V6, "192.0.2.7 2001:db8::9 ::1 mx.postroom.test", "mail.example.com"),
        (BEHIND, "mail.example.com mx.postroom.test localhost 127.0.0.1 ::1", "192.0.2.7 10.0.0.1"),
    ],
    ids=["loopback", "one address", "all addresses", "all of IPv6", "behind a web server"],
)
def test_the_hosts_of_this_server(given: Settings, own: str, foreign: str) -> None:
    hosts = origin.own_hosts(given)
    strange = f"{foreign} evil.test 127.0.0.1.evil.test 0.0.0.0 :: 2130706433 0177.0.0.1"

    assert [one for one in own.split() if not origin.is_own_host(one, hosts)] == []
    assert [one for one in ["", *strange.split()] if origin.is_own_host(one, hosts)] == []


def test_our_origin_is_public_url_or_the_host_of_a_safe_place() -> None:
    open_lan = settings("0.0.0.0", console_insecure="on")
    table = [
        (LOOPBACK, "127.0.0.1:8025", "http://127.0.0.1:8025"),
        (LOOPBACK, "LOCALHOST", "http://localhost"),
        (LOOPBACK, "[::1]:80", "http://[::1]"),
        (ALL, "192.0.2.7:8025", ""),
        (ALL, "mx.postroom.test", ""),
        (ALL, None, ""),
        (open_lan, "192.0.2.7:8025", "http://192.0.2.7:8025"),
        (BEHIND, "127.0.0.1:8025", PUBLIC),
        (BEHIND, "mail.example.com", PUBLIC),
    ]
    found = [origin.own_origin(given, host) for given, host, _ in table]
    assert found == [own for *_, own in table]


def test_which_forms_are_refused() -> None:
    """Sec-Fetch-Site, Origin, what our origin is, and whether the form is taken."""
    own = "http://localhost:8025"
    table = [
        ("same-origin", own, own, True),
        ("same-origin", None, own, True),
        (None, own, own, True),
        (None, own.upper(), own, True),
        (None, None, own, False),
        ("none", own, own, False),
        ("same-site", own, own, False),
        ("cross-site", own, own, False),
        ("Same-Origin", own, own, False),
        ("", own, own, False),
        ("same-origin", "null", own, False),
        ("same-origin", "", own, False),
        (None, "http://localhost:8026", own, False),
        (None, "https://localhost:8025", own, False),
        (None, "http://localhost:8025.evil.test", own, False),
        ("same-origin", "http://192.0.2.7:8025", "", False),
        ("same-origin", None, "", False),
        (None, "", "", False),
    ]
    taken = [origin.why_foreign(site, given, ours) is None for site, given, ours, _ in table]
    assert taken == [expected for *_, expected in table]
