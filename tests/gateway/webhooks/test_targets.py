"""Where webhooks may go: spellings of the inside, and a listener there that sees none of them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from admin_api.dns.cache import dns_cache
from config.values import Endpoint
from gateway.webhooks.caller import Caller
from gateway.webhooks.http_client import request_octets
from gateway.webhooks.resolver import Names
from gateway.webhooks.targets import BadTarget, is_outside, parse_target, why_not
from tests.support.dns_server import DnsServer, open_dns_server
from tests.support.receiver import receiving

# Hosts that are, or that something somewhere takes for, an address of this machine or its networks.
INSIDE = (
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "02130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "0x7f.1",
    "127.0x0.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    "127.0.0.1..",
    "0",
    "0.0.0.0",
    "0x0",
    "00000000",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "ｌｏｃａｌｈｏｓｔ",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "3232235777",
    "168.63.129.16",
    "[::ffff:168.63.129.16]",
    "[64:ff9b::168.63.129.16]",
    "192.80.8.124",
    "161.26.0.7",
    "166.9.16.5",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:20::1]",
    "[5f00::1]",
    "[::1",
    "[v1.127]",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "127.0.0.1\\@example.com",
    "127.0.0.1\t",
    " 127.0.0.1",
    "127.0.0.1\x00.example.com",
)


@pytest.mark.parametrize("host", INSIDE)
def test_an_inside_address_is_refused_however_it_is_written(host: str) -> None:
    assert why_not(f"https://{host}:8443/hook") is not None
    assert why_not(f"https://{host}/") is not None


async def test_a_listener_inside_sees_nothing_of_all_of_them() -> None:
    caller = Caller(Names(dns_cache(None)), patience=2)
    async with receiving() as receiver:
        for host in INSIDE:
            for scheme in ("https", "http"):
                told = await caller.call(f"{scheme}://{host}:{receiver.port}/", {}, b"{}")
                assert told.status is None and told.error is not None

    assert receiver.connections == 0


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM./a?b=c&d", "https://example.com/a?b=c&d"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:8443", "https://example.com:8443/"),
        ("https://example.com?x", "https://example.com?x"),
        ("https://bücher.example/ok", "https://xn--bcher-kva.example/ok"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://[64:ff9b::1.1.1.1]/", "https://[64:ff9b::101:101]/"),
        ("https://hooks_1.example.com/%C3%BC", "https://hooks_1.example.com/%C3%BC"),
    ],
)
def test_an_outside_target_is_taken(text: str, url: str) -> None:
    assert parse_target(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "http://example.com/",
        "ftp://example.com/",
        "https:/example.com/",
        "https:///",
        "https://example.com/#part",
        "https://me@example.com/",
        "https://me:word@example.com/",
        "https://example.com:/x",
        "https://example.com:0/",
        "https://example.com:25/",
        "https://example.com:80/",
        "https://example.com:65536/",
        "https://example.com:123456/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nX: y",
        "https://example.com\\x",
        "https://example.com/\\x",
        "https://-a.example/",
        "https://a..example/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2000,
        "https://*.example.com/",
        "https://example.com/ü",
    ],
)
def test_what_is_no_https_url_is_refused(text: str) -> None:
    with pytest.raises(BadTarget):
        parse_target(text)


def test_the_operator_may_allow_networks() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("::1/128"))

    assert why_not("http://10.1.2.3:8080/", allowed) is None
    assert why_not("https://10.1.2.3/", allowed) is None
    assert why_not("https://[::ffff:10.1.2.3]/", allowed) is None
    assert why_not("http://[::1]:8080/", allowed) is None
    assert why_not("http://intern.example/", allowed) is None, "its addresses are for later"
    assert why_not("http://10.2.0.1/", allowed) is not None
    assert why_not("https://10.2.0.1/", allowed) is not None
    assert why_not("http://1.1.1.1/", allowed) == "must be an https URL"


@pytest.mark.parametrize(
    "host",
    [
        "168.63.129.16",
        "[::ffff:168.63.129.16]",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
    ],
)
def test_no_operator_allows_a_metadata_service(host: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))

    assert why_not(f"https://{host}/", everything) == "is not on a public address"
    assert why_not("http://10.2.0.1/", everything) is None


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_outside_addresses(text: str) -> None:
    assert is_outside(ip_address(text))


_PIECES = st.sampled_from(
    [
        *"https://",
        *"@:[]%#?/\\.",
        "127.0.0.1",
        "0x7f",
        "1",
        "::1",
        "localhost",
        "example.com",
        "ü",
        "。",
    ]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_the_client_reads_a_target_as_we_did(rest: str) -> None:
    """What was judged is what is called: nobody downstream finds another host in it."""
    try:
        target = parse_target("https://" + rest)
    except BadTarget:
        return
    line, host, *_ = request_octets(target, {}, b"").decode("ascii").split("\r\n")
    read = urlsplit(f"//{host.removeprefix('Host: ')}")

    assert line.split(" ") == ["POST", f"/{target.rest.removeprefix('/')}", "HTTP/1.1"]
    assert (read.hostname, read.port or 443) == (target.host, target.port)
    assert (read.username, read.password, read.path) == (None, None, "")
    assert target.address is None or is_outside(target.address)
    assert urlsplit(target.url).hostname == target.host


# ---- at the time of the call: what names lead to ---------------------------------------------


@contextlib.asynccontextmanager
async def naming(**zone: tuple[str, ...]) -> AsyncIterator[DnsServer]:
    async with open_dns_server() as server:
        for key, values in zone.items():
            name, _, kind = key.rpartition("_")
            server.publish(f"{name}.example", kind, *values)
        yield server


def names_of(server: DnsServer) -> Names:
    return Names(dns_cache(Endpoint("127.0.0.1", server.port)))


@pytest.mark.parametrize(
    "zone",
    [
        {"in_A": ("127.0.0.1",)},
        {"in_AAAA": ("::1",)},
        {"in_A": ("1.1.1.1", "127.0.0.1")},
        {"in_A": ("1.1.1.1",), "in_AAAA": ("::ffff:127.0.0.1",)},
        {"in_A": ("1.1.1.1",), "in_AAAA": ("64:ff9b::7f00:1",)},
        {"in_CNAME": ("to.example.",), "to_A": ("127.0.0.1",)},
        {"in_A": ("169.254.169.254",)},
        {"in_A": ("0.0.0.0",)},
        {"in_A": ("168.63.129.16",)},
        {"in_AAAA": ("fe80::1",)},
    ],
)
async def test_a_name_of_which_any_address_is_inside_is_not_called(
    zone: dict[str, tuple[str, ...]],
) -> None:
    async with naming(**zone) as server, receiving() as receiver:
        told = await Caller(names_of(server)).call(
            f"https://in.example:{receiver.port}/", {}, b"{}"
        )

    assert told.error == "the URL is not on a public address"
    assert receiver.connections == 0


async def test_http_by_a_name_needs_an_allowed_network() -> None:
    allowed = (ip_network("10.0.0.0/8"),)
    async with naming(in_A=("1.1.1.1",)) as server:
        told = await Caller(names_of(server), allowed).call("http://in.example/", {}, b"{}")

    assert told.error == "the URL must be an https URL"


@pytest.mark.parametrize(
    ("mood", "error"),
    [("answers", "the host was not found"), ("fails", "the DNS did not answer")],
)
async def test_a_name_without_addresses(mood: str, error: str) -> None:
    async with naming() as server:
        server.mood = mood  # type: ignore[assignment]  # one of its words
        told = await Caller(names_of(server)).call("https://in.example/", {}, b"{}")

    assert told.error == error


def authority(*hosts: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server with a certificate for these hosts, and of who trusts it."""
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*hosts).configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return server, client


async def test_the_vetted_address_is_called_whatever_the_dns_says_then() -> None:
    """The name leads inside from the second question of its kind on; it is asked once."""
    allowed = (ip_network("127.0.0.1/32"),)
    tls, trust = authority("in.example")
    async with naming(in_A=("127.0.0.1",)) as server, receiving(tls=tls) as receiver:
        caller = Caller(names_of(server), allowed, trust=trust)
        url = receiver.url(host="in.example")
        told = await caller.call(url, {}, b"{}")
        asked = list(server.asked)
        server.publish("in.example", "A", "127.0.0.2")
        again = await caller.call(url, {}, b"{}")
        later = Caller(names_of(server), allowed, trust=trust)  # no answer is remembered
        refused = await later.call(url, {}, b"{}")

    assert (told.status, told.error) == (204, None)
    assert (again.status, again.error) == (204, None)
    assert sorted(asked) == [("in.example.", "A"), ("in.example.", "AAAA")]
    assert refused.error == "the URL is not on a public address"
    assert len(receiver.calls) == 2
    assert receiver.calls[0].headers["host"] == f"in.example:{receiver.port}"


async def test_tls_verifies_the_name_and_not_the_address() -> None:
    tls, trust = authority("other.example", "127.0.0.1")
    async with naming(in_A=("127.0.0.1",)) as server, receiving(tls=tls) as receiver:
        caller = Caller(names_of(server), (ip_network("127.0.0.1/32"),), trust=trust)
        wrong = await caller.call(receiver.url(host="in.example"), {}, b"{}")
        right = await caller.call(receiver.url(host="127.0.0.1"), {}, b"{}")

    assert wrong.error == "its certificate is not valid for this host"
    assert right.status == 204
    assert len(receiver.calls) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        told = await Caller(Names(dns_cache(None)), (ip_network("127.0.0.0/8"),)).call(
            receiver.url(), {}, b"{}"
        )
        await asyncio.sleep(0)

    assert told.status == 204
    assert proxy.connections == 0
