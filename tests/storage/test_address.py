"""Addresses: one canonical form for every spelling, and no echo in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.address import (
    Address,
    canonical_domain,
    canonical_or_none,
    new_domain,
    parse_address,
    split_subaddress,
)


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("team@x", "team@x"),
        ("TEAM@X", "team@x"),
        ('"team"@x', "team@x"),
        (r'"te\am"@x', "team@x"),
        ("team@x.", "team@x"),
        ('"te am"@x', "te am@x"),
        ('"te@am"@x', "te@am@x"),
        ("team+Tag@Example.COM", "team+tag@example.com"),
        ("team%evil@x", "team%evil@x"),
        ("a..b@x", "a..b@x"),
        ("team@bücher.example", "team@xn--bcher-kva.example"),
        ("team@BU\u0308CHER.example", "team@xn--bcher-kva.example"),
        ("team@XN--bcher-KVA.example", "team@xn--bcher-kva.example"),
        ("team@bücher。example", "team@xn--bcher-kva.example"),
        ("team@straße.example", "team@xn--strae-oqa.example"),
        ("JOSE\u0301@x", "jose\u0301@x".replace("e\u0301", "É")),
        ("\u212a@x", "k@x"),
        ("H\u0331@x", "\u1e96@x"),
    ],
)
def test_every_spelling_has_one_canonical_form(spelling: str, canonical: str) -> None:
    assert canonical_or_none(spelling) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "team",
        "team@",
        "@x",
        '""@x',
        "te am@x",
        'te"am@x',
        '"te"am"@x',
        '"team@x',
        "team@-x",
        "team@x-",
        "team@x..",
        "team@.x",
        "team@a..b",
        "team@under_score.example",
        "team@[127.0.0.1]",
        "team@127.0.0.1",
        "team@１２７.０.０.１",
        "te\x00am@x",
        "team@x\r\n",
        "team@x y",
        "team@\u2100.example",
        "\ud800@x",
        "team@\udfff.x",
        "a" * 65 + "@x",
        "é" * 33 + "@x",
        "team@" + "a" * 64 + ".x",
        "team@" + ".".join(["a" * 62] * 5),
        "team@" + "é" * 10_000,
    ],
)
def test_what_is_no_address_has_no_canonical_form(text: str) -> None:
    assert canonical_or_none(text) is None


def test_the_longest_address_still_has_a_canonical_form() -> None:
    domain = ".".join(["a" * 62] * 4) + ".x"
    assert len(domain) == 253
    assert canonical_or_none("a" * 64 + "@" + domain) is not None
    assert canonical_or_none("a" * 64 + "@" + "b" + domain) is None


@given(st.text(max_size=80))
def test_look_ups_take_any_text(text: str) -> None:
    canonical_or_none(text)
    canonical_or_none(text + "@x")
    canonical_or_none("team@" + text)


@given(st.text(min_size=1, max_size=20), st.sampled_from(["x", "Bücher.Example", "a.B.c."]))
def test_what_is_shown_leads_back_to_the_same_key(local_part: str, domain: str) -> None:
    canonical = canonical_or_none(f"{local_part}@{domain}")
    if canonical is not None:
        address = Address(local_part, domain)
        if address.canonical == canonical:
            assert canonical_or_none(address.text) == canonical
        assert Address(*canonical.rsplit("@", 1)).canonical == canonical


def test_a_domain_loses_its_trailing_dot_and_its_capitals() -> None:
    assert canonical_domain("Mail.EXAMPLE.com.") == "mail.example.com"
    with pytest.raises(ValueError, match="valid domain"):
        canonical_domain("exa mple.com")
    with pytest.raises(ValueError, match="IP address"):
        canonical_domain("10.0.0.1")


@pytest.mark.parametrize(
    "name", ["xn--bcher-kva.example", "BÜCHER.example", "xn--i-7iq.ws", "a--b.x"]
)
def test_a_new_domain_may_be_an_a_label(name: str) -> None:
    assert new_domain(name) == canonical_domain(name)


@pytest.mark.parametrize(
    "name",
    [
        "xn--a.example",  # U+0080, a control character
        "xn--BCHER-kv.example",
        "mail.xn--99999999.example",
        f"xn--{'9' * 59}.example",
        "xn--a-ecp.example",  # U+0300 in a form that UTS 46 maps to another
    ],
)
def test_a_new_domain_is_no_a_label_without_a_unicode_form(name: str) -> None:
    assert canonical_domain(name) == name.lower()  # mail and older stores may name it
    with pytest.raises(ValueError, match="in Unicode"):
        new_domain(name)


@pytest.mark.parametrize("dot", [".", "。", "．", "｡"])
def test_an_address_has_no_dot_at_its_end(dot: str) -> None:
    for creation in (True, False):
        assert parse_address(f"Ann@dot.Test{dot}", for_creation=creation).text == "Ann@dot.Test"


def test_an_address_is_shown_as_it_was_written() -> None:
    address = parse_address("Team@Example.com")
    assert address.text == "Team@Example.com"
    assert address.canonical == "team@example.com"


def test_quotes_stay_where_they_are_needed_and_only_there() -> None:
    assert parse_address('"team"@example.test').text == "team@example.test"
    assert parse_address('"te am"@example.test').text == '"te am"@example.test'
    assert Address('a"b\\c', "x").text == '"a\\"b\\\\c"@x'


def test_a_new_address_has_no_plus_and_no_letters_beyond_ascii() -> None:
    assert parse_address("team+tag@example.test").local_part == "team+tag"
    with pytest.raises(ValueError, match="plus sign"):
        parse_address("team+tag@example.test", for_creation=True)
    assert parse_address("élan@example.test").local_part == "élan"
    with pytest.raises(ValueError, match="ASCII"):
        parse_address("élan@example.test", for_creation=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secretname",
        "secretname@",
        "secretname@exa_mple.test",
        "secretname@[127.0.0.1]",
        "secretname@127.0.0.1",
        "secretname <a@example.test>",
        "secret\nname@example.test",
        "secret\x00name@example.test",
        "secretname\ud800@example.test",
        "secretname@♥.test",
        "secretname" * 7 + "@example.test",
        "secretname@" + "secret" * 50,
        '"secretname\x07"@example.test',
    ],
)
def test_a_refusal_says_why_and_echoes_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$") as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_an_address_or_a_value_error(text: str) -> None:
    for candidate in (text, text + "@example.test", "team@" + text):
        try:
            address = parse_address(candidate)
        except ValueError:
            continue
        assert canonical_or_none(address.text) == address.canonical


def test_a_subaddress_is_cut_at_the_first_plus() -> None:
    assert split_subaddress("team+a+b") == "team"
    assert split_subaddress("team+") == "team"
    assert split_subaddress("team") is None
    assert split_subaddress("+team") is None
