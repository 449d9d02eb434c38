"""The reference has every call and every code: it is made by hand, beside the route table."""

import re

from admin_api.openapi.answers import described, refusals
from admin_api.routes import ROUTES
from tests.support.server import ROOT

PAGE = (ROOT / "docs/api.md").read_text()
ROWS = re.findall(r"^\| `([A-Z]+) (/\S*)` \|", PAGE, re.MULTILINE)


def test_each_call_has_one_row_in_the_reference() -> None:
    calls = [(route.method, route.path) for route in ROUTES]

    assert sorted(ROWS) == sorted([*calls, ("GET", "/")])


def test_each_code_of_a_refusal_is_in_the_reference() -> None:
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    codes = {
        code
        for route in ROUTES
        for refused in refusals(route, described(route)).values()
        for code in refused
    }

    assert codes - told == set()
