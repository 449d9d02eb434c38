"""What comes of a template."""

import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Invalid
from storage.teamwork.template_values import first_name
from storage.teamwork.templates import MAX_RENDERED, Template, placeholders, render


def template(body: str = "", subject: str = "") -> Template:
    return Template(b"", "", subject, body, None, None, 0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {first_name}, {topic}!", "Hi Alice, {topic}!"),
        ("{first_name}{first_name}", "AliceAlice"),
        ("{braces}", "{first_name}"),
        ("{{first_name}}", "{{first_name}}"),
        ("{{{first_name}}}", "{{{first_name}}}"),
        ("{a: {first_name}}", "{a: Alice}"),
        ("{{first_name}", "{Alice"),
        ("{} {0} {x.__class__} {x!r} {x:>9} { first_name }", None),
        ("{1st} {naïve} {first-name} {first_name", None),
        ("%(first_name)s ${first_name} $first_name", "%(first_name)s $Alice $first_name"),
        ("{" + "x" * 65 + "}", None),
        ("{" + "x" * 64 + "}", "long"),
        ("{_}", "under"),
    ],
)
def test_only_placeholders_are_filled_in_and_only_once(text: str, expected: str | None) -> None:
    context = {
        "first_name": "Alice",
        "braces": "{first_name}",
        "x" * 64: "long",
        "x" * 65: "too long",
        "_": "under",
        "0": "zero",
        "1st": "first",
        "naïve": "no",
        "": "empty",
    }
    assert render(template(text), context).body == (text if expected is None else expected)


@given(st.text(alphabet="{}ab_0 \n", max_size=60), st.text(alphabet="{}ab", max_size=9))
def test_it_does_what_one_substitution_would(text: str, value: str) -> None:
    expected = re.sub(r"\{(a|b)\}", lambda found: value, text)
    if not re.search(r"\{\{\w+\}\}", text):
        assert render(template(text), {"a": value, "b": value}).body == expected


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=5), st.text(max_size=9)))
def test_nothing_in_a_text_or_context_is_an_error(text: str, context: dict[str, str]) -> None:
    rendered = render(template(text, text), context)
    assert "\n" not in rendered.subject
    assert "\r" not in rendered.subject
    if not set(string.ascii_letters + "_") & set(text):
        assert rendered.body == text


def test_line_ends_in_a_subject_become_spaces() -> None:
    rendered = render(template("{x}", "a\r\nBcc: {x}\rc\nd"), {"x": "v\r\nw"})
    assert rendered.subject == "a Bcc: v w c d"
    assert rendered.body == "v\r\nw"


def test_more_than_a_mebibyte_is_refused_before_it_is_made() -> None:
    full = "é" * (MAX_RENDERED // 2)
    assert len(render(template("{a}"), {"a": full}).body) == MAX_RENDERED // 2
    with pytest.raises(Invalid) as caught:
        render(template("{a}", "x"), {"a": full})
    assert [fault.field for fault in caught.value.faults] == ["context"]
    begun = time.monotonic()
    with pytest.raises(Invalid):
        render(template("{a}" * 66_000), {"a": "x" * 200_000})
    assert time.monotonic() - begun < 2


def test_variables_are_those_found_unless_declared() -> None:
    assert template("{b} {a} {{c}}", "{a}").variables == ("a", "b")
    assert [*placeholders("{b}{a}{b}")] == ["b", "a", "b"]
    declared = Template(b"", "", "", "{b}", ("x",), None, 0, 0)
    assert declared.variables == ("x",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Grace Hopper", "Grace"), ("Hopper, Grace", "Grace"), ("", ""), ('"Ann"', "Ann"), (",", "")],
)
def test_the_first_name_of_a_display_name(name: str, expected: str) -> None:
    assert first_name(name).replace(",", "") == expected
