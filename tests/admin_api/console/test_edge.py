"""The door of the page: who comes in, with what, and what every response carries."""

import re
from urllib.parse import urlencode

import httpx2
import pytest

from admin_api.console.edge import POLICY
from admin_api.console.pages import PAGES
from storage.accounts import sessions, users
from storage.accounts.sign_in_links import create_link
from storage.clock import DAY, HOUR, MINUTE
from tests.admin_api.console.visitor import (
    COOKIE,
    FORM,
    SAME,
    page_session,
    sign_in,
    signed_in,
    visitor,
)
from tests.builders import (
    MEMBER,
    PASSWORD,
    SALES,
    STRANGER,
    SUPPORT,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    open_world,
)
from tests.support.engines import Engine
from tests.support.raw_asgi import ask_raw

# Every page: method, path, whether nobody needs to be signed in.
TABLE = {
    ("GET", "/console/", False),
    ("GET", "/console/sign-in/", True),
    ("POST", "/console/sign-in/", True),
    ("GET", "/console/enter/", True),
    ("POST", "/console/enter/", True),
    ("POST", "/console/sign-out/", False),
    ("GET", "/console/live/", False),
    ("GET", "/console/keys/", False),
    ("GET", "/console/{inbox}/", False),
    ("POST", "/console/{inbox}/acts/", False),
    ("POST", "/console/{inbox}/test-mail/", False),
    ("GET", "/console/{inbox}/suggest/", False),
    ("GET", "/console/{inbox}/compose/", False),
    ("POST", "/console/{inbox}/compose/", False),
    ("POST", "/console/{inbox}/files/", False),
    ("POST", "/console/{inbox}/threads/{thread_id}/letter/", False),
    ("POST", "/console/{inbox}/threads/{thread_id}/unsend/", False),
    ("POST", "/console/{inbox}/threads/{thread_id}/draft/", False),
    ("GET", "/console/{inbox}/approvals/", False),
    ("POST", "/console/{inbox}/approvals/{approval_id}/approve/", False),
    ("POST", "/console/{inbox}/approvals/{approval_id}/reject/", False),
    ("GET", "/console/settings/", False),
    ("POST", "/console/settings/name/", False),
    ("POST", "/console/settings/password/", False),
    ("POST", "/console/settings/look/", False),
    ("POST", "/console/settings/zones/", False),
    ("POST", "/console/settings/sessions/end/", False),
    ("POST", "/console/settings/sessions/end-others/", False),
    *(
        ("POST", f"/console/{{inbox}}/threads/{{thread_id}}/{act}/", False)
        for act in (
            *("note", "delete-note", "assign", "handoff", "status"),
            *("marks", "acts", "tasks", "card", "request", "shares"),
        )
    ),
    ("GET", "/console/{inbox}/threads/{thread_id}/", False),
    ("GET", "/console/{inbox}/threads/{thread_id}/who/", False),
    *(
        ("GET", f"/console/{{inbox}}/messages/{{message_id}}/{part}/", False)
        for part in ("body", "html", "raw", "why", "attachments/{attachment_id}")
    ),
}
POSTS = sorted(path for method, path, _ in TABLE if method == "POST")


def cookies_of(response: httpx2.Response) -> list[str]:
    return response.headers.get_list("set-cookie")


def secret_in(response: httpx2.Response) -> str:
    found = re.match(rf"{COOKIE}=([^;]*);", cookies_of(response)[0])
    assert found
    return found[1]


def test_every_page_has_a_row_here() -> None:
    assert {(page.method, page.path, page.public) for page in PAGES} == TABLE


async def test_the_beginning_leads_to_the_page_and_from_there_to_the_sign_in(world: World) -> None:
    who = visitor(world)

    root, page = await who.get("/"), await who.get("/console/settings/?a=b")

    assert (root.status_code, root.headers["location"]) == (303, "/console/")
    assert page.status_code == 303
    assert page.headers["location"] == "/console/sign-in/?next=/console/settings/%3Fa%3Db"
    assert (await who.get("/favicon.ico")).status_code == 204


async def test_without_the_page_the_beginning_leads_to_the_docs(engine: Engine) -> None:
    async with open_world(engine, console="off") as world:
        anybody = visitor(world)

        got, asked = await anybody.get("/"), await anybody.http.head("/")

        for answer in (got, asked):
            assert (answer.status_code, answer.headers["location"]) == (303, "/docs/")
            assert answer.headers["x-request-id"]
        assert (await anybody.get("/docs/")).status_code == 200
        for response in (await anybody.post("/"), await anybody.get("/console/")):
            assert response.status_code == 404


async def test_a_password_opens_the_page_and_signing_out_closes_it(world: World) -> None:
    who = visitor(world)

    answer = await who.post(
        "/console/sign-in/",
        {"email": MEMBER, "password": PASSWORD, "next": "/console/settings/"},
    )

    (cookie,) = cookies_of(answer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/settings/")
    assert re.fullmatch(
        rf"{COOKIE}=prs_\w{{43}}; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax", cookie
    )
    assert MEMBER in (await who.get("/console/settings/")).text
    out = await who.post("/console/sign-out/")
    assert (out.status_code, out.headers["clear-site-data"]) == (303, '"storage"')
    assert secret_in(out) == ""
    assert cookies_of(out)[1] == "postroom-views=; Path=/console/; Max-Age=0"
    again = visitor(world, secret_in(answer))
    assert (await again.get("/console/settings/")).status_code == 303


async def test_whatever_is_wrong_with_a_sign_in_gets_one_answer(world: World) -> None:
    answers = [
        await sign_in(visitor(world), *given)
        for given in ((MEMBER, "wrong"), ("nobody@people.test", PASSWORD), ("no address", "x"))
    ]

    faults = {re.search(r'id="wrong"[^>]*>([^<]+)<', one.text)[1] for one in answers}  # type: ignore[index]
    assert [one.status_code for one in answers] == [401] * 3
    assert faults == {"There is no user with this address and password."}
    assert not any(cookies_of(one) for one in answers)
    assert f'value="{MEMBER}"' in answers[0].text


async def test_tries_count_with_those_of_the_api(engine: Engine) -> None:
    async with open_world(engine, login_rate_per_minute=4) as world:
        for _ in range(2):
            wrong = {"email": MEMBER, "password": "wrong"}
            assert (await world.client().post("/auth/login/", json=wrong)).status_code == 401
        assert (await sign_in(visitor(world), MEMBER, "wrong")).status_code == 401
        assert (await visitor(world).get("/console/enter/?code=prl_x")).status_code == 404

        refused = [
            await sign_in(visitor(world), MEMBER),
            await visitor(world).post("/console/enter/", {"code": "prl_x"}),
            await world.client().post("/auth/login/", json=wrong),
        ]

        assert [one.status_code for one in refused] == [429] * 3
        assert all(int(one.headers["retry-after"]) > 0 for one in refused)
        assert "Try again in" in refused[0].text


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("/console/a@b.test/?q=x", "/console/a@b.test/?q=x"),
        ("https://evil.test/", "/console/"),
        ("//evil.test/console/", "/console/"),
        ("/console//evil.test/", "/console/"),
        ("/console/../v1/", "/console/"),
        ("/console/\\evil", "/console/"),
        ("/consolevil/", "/console/"),
        ("/console/\r\nSet-Cookie: a=b", "/console/"),
        ("/console/sign-out/", "/console/"),
        ("javascript:alert(1)", "/console/"),
    ],
)
async def test_next_leads_to_a_page_of_ours_only(world: World, given: str, place: str) -> None:
    answer = await visitor(world).post(
        "/console/sign-in/", {"email": MEMBER, "password": PASSWORD, "next": given}
    )

    assert answer.headers["location"] == place


async def test_a_link_shows_whom_it_signs_in_and_does_so_once(world: World) -> None:
    code = await world.database.write(
        lambda tx: create_link(
            tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], now=world.clock()
        )
    )
    who = visitor(world)

    shown = [await who.get(f"/console/enter/?code={code}") for _ in range(2)]
    used = await who.post("/console/enter/", {"code": code})

    assert all(f"Continue as {MEMBER}" in one.text for one in shown)
    assert used.status_code == 303
    assert (await who.get("/console/settings/")).status_code == 200
    other = visitor(world)
    assert (await other.post("/console/enter/", {"code": code})).status_code == 404
    assert (await other.get(f"/console/enter/?code={code}")).status_code == 404


async def test_a_link_ends_after_ten_minutes_and_with_a_new_password(world: World) -> None:
    async def made() -> str:
        return await world.database.write(
            lambda tx: create_link(
                tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], now=world.clock()
            )
        )

    who, first = visitor(world), await made()
    world.clock.advance(10 * MINUTE - 1)
    assert (await who.get(f"/console/enter/?code={first}")).status_code == 200
    world.clock.advance(1)
    assert (await who.post("/console/enter/", {"code": first})).status_code == 404
    second = await made()
    await world.database.write(
        lambda tx: users.set_password(
            tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], password_hash="x"
        )
    )
    assert (await who.post("/console/enter/", {"code": second})).status_code == 404


async def test_a_user_has_at_most_ten_links(world: World) -> None:
    codes = []
    for _ in range(12):
        world.clock.advance(1)
        codes.append(
            await world.database.write(
                lambda tx: create_link(
                    tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], now=world.clock()
                )
            )
        )

    who = visitor(world)
    statuses = [(await who.get(f"/console/enter/?code={code}")).status_code for code in codes]
    assert statuses == [404, 404, *[200] * 10]


async def test_a_cookie_means_nothing_to_the_api_and_a_bearer_nothing_here(world: World) -> None:
    page = await page_session(world, MEMBER)
    api = world.client()

    for path in ("/v1/me/", "/v1/sessions/"):
        with_cookie = await api.get(path, headers={"Cookie": f"{COOKIE}={page}"})
        as_bearer = await api.get(path, headers={"Authorization": f"Bearer {page}"})
        assert (with_cookie.status_code, as_bearer.status_code) == (401, 401)
    stolen = visitor(world, world.secrets[MEMBER])
    assert (await stolen.get("/console/settings/")).status_code == 303
    both = visitor(world, page)
    for secret in (world.secrets[MEMBER], world.secrets[SALES], page, ""):
        answer = await both.get("/console/settings/", Authorization=f"Bearer {secret}")
        assert answer.status_code == 400
        assert "programs use /v1/" in answer.text


async def test_without_the_pages_own_session_no_page_is_shown(world: World) -> None:
    """For every page, those of others too: nobody, a session of the API, and tokens."""
    member, sales = world.secrets[MEMBER], world.secrets[SALES]
    nobody = visitor(world)
    callers = {
        "nobody": nobody,
        "no session": visitor(world, "prs_" + "0" * 43),
        "a session of the API": visitor(world, member),
        "a token": visitor(world, sales),
        "an ended session": visitor(world, '"; DROP'),
    }
    for page in PAGES:
        path = re.sub(r"\{\w+\}", "x@example.test", page.path)
        for name, who in callers.items():
            answer = await (who.get if page.method == "GET" else who.post)(path)
            told = (page.method, page.path, name, answer.status_code)
            assert answer.status_code in ((200, 401, 404) if page.public else (303,)), told
            assert MEMBER not in answer.text, told
        for secret in (member, sales):
            headers = {"Authorization": f"Bearer {secret}"}
            assert (
                await nobody.http.request(page.method, path, headers=headers)
            ).status_code == 400


@pytest.mark.parametrize("query", [b"a=\xff", b"a=\xc3\xa9&b"])
async def test_a_query_that_is_no_url_leads_nobody_astray(world: World, query: bytes) -> None:
    status, headers = await ask_raw(world.app, "/console/settings/", query, {})

    assert status == 303
    assert headers["location"].startswith("/console/sign-in/?next=/console/settings/%3Fa%3D")


@pytest.mark.parametrize("referer", ["http://[", "http://[x]/", "//[::1"])
async def test_a_referer_that_is_no_url_is_as_none(world: World, referer: str) -> None:
    answer = await visitor(world).post("/console/sign-out/", {}, Referer=referer)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in/"


async def test_a_demoted_admin_is_a_member_at_the_next_click(world: World) -> None:
    admin = await signed_in(world, TENANT_ADMIN)
    assert (await admin.post("/console/settings/name/", {"name": "Adam"})).status_code == 303
    await world.database.write(
        lambda tx: users.update_user(
            tx,
            tenant_id=world.tenant_id,
            user_id=world.raw[TENANT_ADMIN],
            role="member",
            now=world.clock(),
        )
    )

    assert (await admin.post("/console/settings/name/", {"name": "Eve"})).status_code == 403


async def test_the_log_and_the_metrics_name_the_page_and_no_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="postroom.http")
    who = await signed_in(world, MEMBER)
    await who.get("/console/settings/?q=secret")
    await who.get(f"/console/static/{'x' * 20}/form.js")
    await who.get("/console/not/one/of/ours/")

    text = (await world.app.router.default._measures.text()).decode()  # type: ignore[attr-defined]
    assert 'route="/console/settings/"' in text
    assert 'route="/console/static/{version}/{name}"' in text
    assert "ours" not in text and "secret" not in text
    assert not [one for one in caplog.records if "secret" in str(one.__dict__)]


async def test_whatever_ends_a_session_shows_at_the_next_click(world: World) -> None:
    key = {"tenant_id": world.tenant_id, "user_id": world.raw[MEMBER]}

    async def ends(work: str) -> None:
        who = await signed_in(world, MEMBER)
        found = await world.database.read(
            lambda tx: sessions.find_session_by_secret(
                tx, secret=who.secret, now=world.clock(), kind="page"
            )
        )
        assert found
        session_id = found[0].session_id
        if work == "one":
            await world.database.write(
                lambda tx: sessions.end_session(
                    tx, tenant_id=world.tenant_id, session_id=session_id
                )
            )
        elif work == "password":
            await world.database.write(lambda tx: users.set_password(tx, **key, password_hash="x"))
        elif work == "idle":
            world.clock.advance(12 * HOUR)
        elif work == "old":
            world.clock.advance(14 * DAY)
        else:
            await world.database.write(lambda tx: users.delete_user(tx, **key, now=world.clock()))
        answers = [
            await who.get("/console/settings/"),
            await who.post("/console/settings/look/", {"theme": "dark"}),
        ]
        assert [one.status_code for one in answers] == [303, 303], work
        assert all("/console/sign-in/" in one.headers["location"] for one in answers)
        fragment = await who.get("/console/settings/", HX_Request="true")
        assert fragment.status_code == 401
        assert fragment.headers["hx-trigger"] == "postroom:signed-out"
        assert fragment.headers["hx-reswap"] == "none"

    for work in ("one", "password", "idle", "old", "deleted"):
        await ends(work)


async def test_a_form_of_another_page_changes_nothing(world: World) -> None:
    """For every form: no other site, and no token but the session's own."""
    who, foreign = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)
    body = urlencode({"form_token": who.token, "theme": "dark"})
    cases: dict[str, dict[str, str]] = {
        "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
        "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9000"},
        "typed": {"Sec-Fetch-Site": "none"},
        "another port": {"Origin": "http://127.0.0.1:9000"},
        "another scheme": {"Origin": "https://127.0.0.1:8025"},
        "a null origin": {"Origin": "null"},
        "a null origin, said to be ours": {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        "neither": {},
    }
    tokens = {"none": "", "another session's": foreign.token, "no token": "x", "long": "A" * 9999}
    sent = [(case, body, headers) for case, headers in cases.items()]
    sent += [(case, urlencode({"form_token": token}), SAME) for case, token in tokens.items()]
    for path in POSTS:
        for case, content, headers in sent:
            answer = await who.http.post(path, content=content, headers=FORM | headers)
            assert (answer.status_code, cookies_of(answer)) == (403, []), (path, case)
            world.clock.advance(MINUTE // 20)
    assert (await who.get("/console/settings/")).status_code == 200


async def test_the_token_is_another_text_on_each_page_and_good_each_time(world: World) -> None:
    who = await signed_in(world, MEMBER)
    tokens = set()
    for _ in range(5):
        await who.get("/console/settings/")
        tokens.add(who.token)
        assert (await who.post("/console/settings/look/", {"theme": "dark"})).status_code == 303
    assert len(tokens) == 5
    in_header = await who.http.post(
        "/console/settings/look/",
        content="theme=light",
        headers=FORM | SAME | {"X-Postroom-Form": who.token},
    )
    assert in_header.status_code == 303


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"a=b", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded; charset=latin-1", b"a=b", 415),
        ("application/x-www-form-urlencoded; charset=UTF-8", b"theme=dark", 303),
        ("application/x-www-form-urlencoded", b"a=%FF", 400),
        ("application/x-www-form-urlencoded", b"theme=dark&a=%00", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 601), 400),
        ("application/x-www-form-urlencoded", b"theme=dark&a=" + b"%D0%96" * (120 << 10), 303),
        ("application/x-www-form-urlencoded", b"a=" + b"b" * (768 << 10), 413),
    ],
)
async def test_a_body_is_a_form_within_bounds(
    world: World, content_type: str, body: bytes, status: int
) -> None:
    who = await signed_in(world, MEMBER)

    answer = await who.http.post(
        "/console/settings/look/",
        content=body,
        headers=SAME | {"Content-Type": content_type, "X-Postroom-Form": who.token},
    )

    assert answer.status_code == status
    if status != 303:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_who_is_not_signed_in_sends_shorter_forms(world: World) -> None:
    form = {"email": MEMBER, "password": PASSWORD, "next": "/" + "Ж" * (64 << 10)}

    answers = [
        await visitor(world).post("/console/sign-in/", form),
        await visitor(world).post("/console/settings/name/", {"name": form["next"]}),
    ]

    assert [one.status_code for one in answers] == [413, 303]  # the second to the sign-in


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8025", 200),
        ("localhost", 200),
        ("[::1]:8025", 200),
        ("192.0.2.1", 421),
        ("MX.postroom.test", 200),
        ("evil.test", 421),
        ("evil.test:8025", 421),
        ("127.0.0.1.evil.test", 421),
        ("user@localhost", 421),
        ("localhost:99999", 421),
        ("", 421),
    ],
)
async def test_another_name_than_ours_is_refused(world: World, host: str, status: int) -> None:
    answer = await visitor(world).get("/console/sign-in/", Host=host)

    assert answer.status_code == status


async def test_every_answer_carries_the_policies(world: World) -> None:
    who = await signed_in(world, MEMBER)
    answers = [
        await who.get(f"/console/{SUPPORT}/"),
        await who.get("/console/settings/"),
        await who.get("/console/settings/", HX_Request="true"),
        await who.get("/console/nowhere/at/all/"),
        await who.get("/console/sign-in/"),
        await who.get("/console/settings/", Host="evil.test"),
        await who.post("/console/settings/look/", {}, Origin="null"),
        await who.http.request("DELETE", "/console/settings/"),
        await visitor(world).get("/console/"),
    ]

    assert [one.status_code for one in answers] == [200, 200, 200, 404, 200, 421, 403, 405, 303]
    for one in answers:
        assert POLICY.items() <= {name: one.headers.get(name) for name in POLICY}.items()
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["x-request-id"]


async def test_an_unknown_page_leads_back_and_htmx_gets_a_toast(world: World) -> None:
    who = await signed_in(world, MEMBER)

    page = await who.get("/console/nowhere/at/all/")
    toast = await who.get("/console/nowhere/at/all/", HX_Request="true")

    assert page.status_code == toast.status_code == 404
    assert '<a href="/console/">Back to the beginning</a>' in page.text
    assert "<html" in page.text
    assert "<html" not in toast.text
    assert toast.headers["hx-retarget"] == "#toasts"
    assert 'role="alert"' in toast.text


async def test_the_page_names_what_is_the_users_own(world: World) -> None:
    member, owner = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)

    shown = [(await who.get("/console/?all=1")).text for who in (member, owner)]

    assert "support@example.test" in shown[0]
    assert SALES not in shown[0]
    assert SALES in shown[1]
    for text in shown:
        assert "desk@other.test" not in text


async def test_whoever_has_one_inbox_is_led_there(world: World) -> None:
    member, owner = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)

    led, shown = await member.get("/console/"), await owner.get("/console/")

    assert (led.status_code, led.headers["location"]) == (303, "/console/support@example.test/")
    assert shown.status_code == 200
    assert 'href="/console/support@example.test/"' in shown.text  # an owner may act for all


async def test_only_an_admin_changes_a_name_and_the_api_says_so(world: World) -> None:
    member, admin = await signed_in(world, MEMBER), await signed_in(world, TENANT_ADMIN)

    refused = await member.post("/console/settings/name/", {"name": "Mia M."})
    changed = await admin.post("/console/settings/name/", {"name": "Adam A."})
    long = await admin.post("/console/settings/name/", {"name": "x" * 201})

    assert (refused.status_code, changed.status_code, long.status_code) == (403, 303, 400)
    assert "Adam A." in (await admin.get("/console/settings/")).text
    assert 'id="name"' not in (await member.get("/console/settings/")).text
    assert 'class="fault"' in long.text


async def test_a_new_password_ends_the_other_sessions_and_renews_this_one(world: World) -> None:
    who, other = await signed_in(world, MEMBER), await signed_in(world, MEMBER)
    new = "another horse battery"
    wrong = await who.post(
        "/console/settings/password/",
        {"current_password": "no", "new_password": new, "again": new},
    )
    unlike = await who.post(
        "/console/settings/password/",
        {"current_password": PASSWORD, "new_password": new, "again": "x"},
    )

    done = await who.post(
        "/console/settings/password/",
        {"current_password": PASSWORD, "new_password": new, "again": new},
    )

    assert (wrong.status_code, unlike.status_code, done.status_code) == (400, 400, 303)
    assert "is not the current password" in wrong.text
    assert secret_in(done) not in ("", who.secret)
    assert (await visitor(world, who.secret).get("/console/settings/")).status_code == 303
    assert (await other.get("/console/settings/")).status_code == 303
    assert (await visitor(world, secret_in(done)).get("/console/settings/")).status_code == 200
    assert (await sign_in(visitor(world), MEMBER, new)).status_code == 303


async def test_sessions_are_listed_and_end_one_by_one_or_all_others(world: World) -> None:
    who = await signed_in(world, MEMBER)
    others = [await signed_in(world, MEMBER) for _ in range(3)]
    stranger = world.client(STRANGER)
    foreign = (await stranger.get("/v1/sessions/")).json()[0]["session_id"]
    ids = re.findall(
        r'name="session_id" value="(ses_\w+)"', (await who.get("/console/settings/")).text
    )
    assert len(ids) == 4  # with the one of the world

    for session_id, status in (
        (ids[1], 303),
        (ids[1], 404),
        (foreign, 404),
        ("x/../y", 404),
        ("", 400),
    ):
        answer = await who.post("/console/settings/sessions/end/", {"session_id": session_id})
        assert answer.status_code == status, session_id
    assert (await others[0].get("/console/settings/")).status_code == 303
    assert (await others[1].get("/console/settings/")).status_code == 200
    assert (await who.post("/console/settings/sessions/end-others/")).status_code == 303
    assert [(await one.get("/console/settings/")).status_code for one in (who, *others)] == [
        200,
        *[303] * 3,
    ]
    assert (await stranger.get("/v1/me/")).status_code == 200


async def test_the_look_is_this_browsers(world: World) -> None:
    who = await signed_in(world, MEMBER)

    await who.post("/console/settings/look/", {"theme": "dark", "keys": "off", "notify": "on"})
    wanted = {"density": "compact", "view": "unread", "theme": '"><script>'}
    await who.post("/console/settings/look/", wanted)
    shown = (await who.get("/console/settings/")).text
    cookie = f'{COOKIE}={who.secret}; postroom-look=theme-"><script>.keys.a-b-c'
    odd = (await visitor(world, Cookie=cookie).get("/console/settings/")).text

    assert '<html lang="en" data-theme="dark" data-keys="off" data-density="compact">' in shown
    assert '<html lang="en" data-theme="auto" data-keys="on" data-density="normal">' in odd
    for page in (shown, (await who.get(f"/console/{SUPPORT}/")).text):
        assert page.count("/notify.js") == 1 + (page == shown)  # the settings ask for leave
    assert odd.count("/notify.js") == 1
    chosen = (await who.get("/console/?to=a@b.test")).headers["location"]
    assert chosen == "/console/a@b.test/?view=unread"
    home = await who.get("/console/")
    assert home.headers["location"] == f"/console/{SUPPORT}/?view=unread"
    assert f'href="/console/{SUPPORT}/?view=unread"' in (await who.get("/console/?all=1")).text


async def test_the_time_zone_of_an_own_inbox_is_set_and_times_are_in_it(world: World) -> None:
    who = await signed_in(world, MEMBER)
    own, foreign = world.ids[SUPPORT], world.ids[SALES]
    before = (await who.get("/console/settings/")).text

    fields = {own: "Asia/Tokyo", foreign: "Asia/Tokyo"}
    assert (await who.post("/console/settings/zones/", fields)).status_code == 303
    after = (await who.get("/console/settings/")).text
    refused = await who.post("/console/settings/zones/", {own: "Mars/Base"})

    def used(page: str) -> tuple[str, str]:
        found = re.search(r'<time datetime="([^"]+)" title="\1">([^<]+)<', page)
        assert found
        return found[1], found[2]

    assert f'name="{own}" list="zones" maxlength="100" value="Asia/Tokyo"' in after
    assert foreign not in after
    (at, hour), (at_too, hour_there) = used(before), used(after)
    assert at[:13] == at_too[:13] and at.endswith("Z")
    assert (int(hour_there[:2]) - int(hour[:2])) % 24 == 9
    assert refused.status_code == 400
    assert 'value="Mars/Base"' in refused.text and 'class="fault"' in refused.text
    async with world.client(SALES) as api:
        assert (await api.get(f"/v1/inboxes/{SALES}/")).json()["default_timezone"] == "UTC"


async def test_more_than_a_browser_asks_for_is_429(engine: Engine) -> None:
    async with open_world(engine, console_rate_per_minute=50) as world:
        who = await signed_in(world, MEMBER)
        world.clock.advance(MINUTE)
        statuses = [(await who.get("/console/nowhere/x/y/")).status_code for _ in range(11)]

        assert statuses == [404] * 10 + [429]
        world.clock.advance(MINUTE)
        assert (await who.get("/console/nowhere/x/y/")).status_code == 404


async def test_a_page_is_compressed_unless_another_site_asked(world: World) -> None:
    who = await signed_in(world, MEMBER)
    packed = {
        site: (await who.get("/console/settings/", Sec_Fetch_Site=site)).headers.get(
            "content-encoding"
        )
        for site in ("same-origin", "none", "cross-site", "same-site", "")
    }

    assert packed == {
        "same-origin": "gzip",
        "none": "gzip",
        "cross-site": None,
        "same-site": None,
        "": None,
    }


async def test_head_has_the_headers_and_no_body(world: World) -> None:
    who = await signed_in(world, MEMBER)

    answer = await who.http.head("/console/settings/")

    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 1000
    assert answer.content == b""
