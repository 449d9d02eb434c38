"""The PROXY header: any octets are a header, the beginning of one, or refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.transport.proxy_protocol import BadHeader, Header, parse

V1 = b"PROXY TCP4 192.0.2.77 198.51.100.1 4711 25\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f"
    + bytes([192, 0, 2, 77, 198, 51, 100, 1])
    + b"\x12\x67\0\x19"
    + b"\x04\0\0"
)


@pytest.mark.parametrize("header", [V1, V2, b"PROXY UNKNOWN\r\n", b"PROXY TCP6 ::1 ::2 1 2\r\n"])
def test_a_header_is_known_at_its_last_octet_and_not_before(header: bytes) -> None:
    for cut in range(len(header)):
        assert parse(header[:cut]) is None
    found = parse(header + b"EHLO client.example\r\n")
    assert found is not None
    assert found.length == len(header)


def test_both_versions_name_the_client() -> None:
    assert parse(V1) == Header(len(V1), "192.0.2.77")
    assert parse(V2) == Header(len(V2), "192.0.2.77")


@given(st.sampled_from([b"", V1[:11], V2[:14], V2[:16]]), st.binary(max_size=200))
@example(b"", b"PROXY TCP4 \xff")
def test_any_octets_end_in_a_verdict(start: bytes, rest: bytes) -> None:
    octets = start + rest
    try:
        found = parse(octets)
    except BadHeader:
        return
    if found is not None:
        assert found.length <= len(octets)
        assert found == parse(octets[: found.length])


@pytest.mark.parametrize(
    "octets",
    [
        b"PROXY " + b"x" * 200,
        V2[:14] + b"\xff\xff",
        b"PROXY TCP4 192.0.2.77 198.51.100.1 4711 70000\r\n",
        b"PROXY TCP4 192.0.2.077 198.51.100.1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.77 198.51.100.1 04711 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 4711 25\r\n",
        b"PROXY TCP6 ::1 fe80::1%eth0 4711 25\r\n",
        b"PROXY  TCP4 192.0.2.77 198.51.100.1 4711 25\r\n",
    ],
)
def test_what_only_looks_like_one_is_refused(octets: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(octets)
