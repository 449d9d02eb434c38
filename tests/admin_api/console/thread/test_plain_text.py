"""Text as a page shows it: links, quotes, and nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.console.thread.plain_text import MOST, blocks, is_cut, pieces
from tests.support.cost import is_within, seconds_of


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://x.test/a.", ["https://x.test/a"]),
        ("(https://x.test/a_(b)) and http://y.test", ["https://x.test/a_(b)", "http://y.test"]),
        ("<HTTPS://X.TEST/a?b=c&d=e#f>", ["HTTPS://X.TEST/a?b=c&d=e#f"]),
        ("javascript:alert(1) ftp://x.test data:text/html,x", []),
        ("https://... http://", []),
        ('https://x.test/"onclick="a', ["https://x.test/"]),
        ("nohttps://x.test", []),
        ("[(https://x.test/(a]).)].", ["https://x.test/(a])"]),
    ],
)
def test_only_addresses_of_the_web_are_links(text: str, links: list[str]) -> None:
    found = list(pieces(text))

    assert [one.link for one in found if one.link] == links
    assert all(one.text == one.link for one in found if one.link)


@given(st.text(alphabet=st.sampled_from("htps:/x.( )]>\n\r\"'a"), max_size=80))
def test_the_pieces_together_are_the_text(text: str) -> None:
    assert "".join(one.text for one in pieces(text)) == text


def test_long_quotes_are_folded_and_short_ones_are_not() -> None:
    found = blocks("Hi\n> one\nyes\n> 1\n> 2\n> 3\n> 4\nend\n")

    assert [(one.quoted, one.lines) for one in found] == [
        (False, 0), (True, 0), (False, 0), (True, 4), (False, 0),
    ]  # fmt: skip


def test_a_text_without_end_is_cut() -> None:
    text = "x" * (MOST + 1)

    assert is_cut(text)
    assert not is_cut(text[1:])
    assert len(blocks(text)[0].pieces[0].text) == MOST


def test_brackets_behind_an_address_cost_no_more_than_letters() -> None:
    brackets, letters = (f"https://x.test/{sign * 1_900} " * 130 for sign in "]a")

    assert is_within(40, lambda: blocks(brackets), seconds_of(lambda: blocks(letters)))
