"""The views of senders in a cookie, which is input: only what is ours is written back."""

import re

import pytest
from starlette.requests import Request

from admin_api.console.looks import view_cookie, view_of


def request(cookie: str) -> Request:
    value = f"postroom-views={cookie}".encode("latin-1")
    return Request({"type": "http", "headers": [(b"cookie", value)]})


def value_of(cookie: str) -> str:
    found = re.fullmatch(r"postroom-views=([\w.-]+); Path=/console/; Max-Age=\d+; .*", cookie)
    assert found
    return found[1]


def test_the_newest_sixty_senders_are_remembered() -> None:
    kept = ""
    for number in range(70):
        kept = value_of(view_cookie(request(kept), f"{number}@x.test", "html"))
    kept = value_of(view_cookie(request(kept), "50@X.test", "text"))

    views = [view_of(request(kept), f"{number}@x.test") for number in range(70)]
    assert views == [""] * 10 + ["html"] * 40 + ["text"] + ["html"] * 19
    assert kept.startswith("text-") and len(kept) < 1000


@pytest.mark.parametrize(
    "hostile", ['"html-00000000\\012Set-Cookie: a=b"', "html-" * 500, "text-zzzzzzzz.\xe9", ";;"]
)
def test_what_is_none_of_ours_is_not_written_back(hostile: str) -> None:
    kept = value_of(view_cookie(request(hostile), "ann@x.test", "html"))

    assert re.fullmatch(r"(html-[0-9a-f]{8}\.?)+", kept)
    assert view_of(request(hostile), "ann@x.test") == ""
