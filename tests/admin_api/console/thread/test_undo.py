"""The last act in a cookie: what goes in comes out, and nothing else."""

import re

import pytest

from admin_api.console.thread.undo import Done, done_cookie, read_done

DONE = Done('Assigned to é; "x".', "thr_1", "assign", {"to": "a,b; c", "was": ""}, "key")


def value_of(cookie: str) -> str:
    return cookie.split("; ", 1)[0].partition("=")[2]


def test_an_act_comes_back_as_it_was() -> None:
    cookie = done_cookie(DONE, secure=True)

    found = read_done(value_of(cookie))
    assert found == Done(DONE.text, DONE.thread, DONE.act, {"to": "a,b; c"}, DONE.saved)
    assert re.fullmatch(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+", value_of(cookie))
    assert cookie.endswith("HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize("value", ["", "x", "act=assign", "text=a&act=delete-note", "%ff=%ff"])
def test_what_is_no_act_of_ours_is_nothing(value: str) -> None:
    assert read_done(value) is None


def test_it_is_taken_away_once_it_was_told() -> None:
    assert "Max-Age=0" in done_cookie(None, secure=False)
