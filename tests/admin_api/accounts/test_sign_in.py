"""Signing in and out, and what a session is worth."""

import httpx2
import pytest

from admin_api.accounts import sign_in
from storage.accounts import users
from storage.clock import HOUR, MINUTE
from tests.builders import (
    MEMBER,
    PASSWORD,
    SALES,
    TENANT_OWNER,
    World,
    open_world,
)
from tests.support.engines import Engine


async def login(
    world: World, email: str = MEMBER, password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    async with world.client() as api:
        body = {"email": email, "password": password}
        return await api.post("/auth/login/", json=body, headers=headers)


async def me(world: World, secret: str) -> int:
    async with world.client(secret=secret) as api:
        return (await api.get("/v1/me/")).status_code


async def test_a_login_gives_a_session_and_the_user(world: World) -> None:
    answer = await login(world, email="Mia@PEOPLE.test")
    assert answer.status_code == 200
    body = answer.json()
    assert body["user"] == {
        "user_id": world.ids[MEMBER],
        "email": MEMBER,
        "name": "Mia",
        "role": "member",
        "tenant_id": world.ids["Example"],
    }
    assert body["expires_at"] == "2027-01-29T08:00:00.000Z"
    assert await me(world, body["access_token"]) == 200


async def test_a_wrong_password_and_an_unknown_user_get_one_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    async def verify(password_hash: str | None, password: str) -> bool:
        judged.append(password_hash is not None)
        return False

    monkeypatch.setattr(sign_in, "verify_password", verify)
    wrong = await login(world, password="wrong")
    unknown = await login(world, email="nobody@people.test")
    impossible = await login(world, email="no address")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert wrong.content == unknown.content == impossible.content
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert judged == [True, False, False]


async def test_what_is_typed_at_a_refused_login_is_not_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(engine, login_rate_per_minute=3) as world:
        with caplog.at_level("INFO", "postroom.http"):
            for email in ("hunter2-secret", "hunter2-secret", MEMBER, MEMBER):
                assert (await login(world, email=email, password="wrong")).status_code in (401, 429)

    shown = [getattr(record, "pairs", {}) for record in caplog.records]
    first, second, known, limited = [pairs for pairs in shown if "typed" in pairs]
    assert "hunter2" not in str(shown) and MEMBER not in str(shown)
    assert first["typed"] == second["typed"] != known["typed"]
    assert (first["user"], known["user"]) == (None, world.ids[MEMBER])
    assert all(pairs["client"] for pairs in (first, second, known, limited))


async def test_a_login_without_fields_is_400_for_each(world: World) -> None:
    async with world.client() as api:
        answer = await api.post("/auth/login/", json={"user": "x"})
    assert answer.status_code == 400
    assert {fault["field"] for fault in answer.json()["errors"]} == {"email", "password", "user"}


async def test_a_logout_ends_this_session_only(world: World) -> None:
    first = (await login(world)).json()["access_token"]
    second = (await login(world)).json()["access_token"]
    async with world.client(secret=first) as api:
        answer = await api.post("/auth/logout/")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await me(world, first), await me(world, second)) == (401, 200)


async def test_a_session_ends_after_12_idle_hours(world: World) -> None:
    secret = world.secrets[MEMBER]
    for _ in range(3):
        world.clock.advance(12 * HOUR - 1)
        assert await me(world, secret) == 200
    world.clock.advance(12 * HOUR)
    assert await me(world, secret) == 401


async def test_a_session_ends_after_14_days_however_busy(world: World) -> None:
    secret = world.secrets[MEMBER]
    for _ in range(14 * 3):
        assert await me(world, secret) == 200
        world.clock.advance(8 * HOUR)
    world.clock.advance(-1)
    assert await me(world, secret) == 200
    world.clock.advance(1)
    assert await me(world, secret) == 401


async def test_a_clock_that_jumps_back_ends_no_session(world: World) -> None:
    world.clock.advance(HOUR)
    assert await me(world, world.secrets[MEMBER]) == 200
    world.clock.advance(-2 * HOUR)
    assert await me(world, world.secrets[MEMBER]) == 200


async def test_logins_are_limited_for_each_account_and_each_client(engine: Engine) -> None:
    async with open_world(engine, login_rate_per_minute=2) as world:
        statuses = [(await login(world, password="wrong")).status_code for _ in range(2)]
        refused = await login(world)
        assert statuses == [401, 401]
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["RateLimit"].startswith('"logins";r=0;t=')
        assert refused.headers["RateLimit-Policy"].startswith('"logins";q=')
        assert refused.headers["retry-after"] == "30"
        assert (await login(world, email=TENANT_OWNER)).status_code == 429  # the same client
        world.clock.advance(MINUTE)
        assert (await login(world)).status_code == 200


async def test_forwarding_headers_count_from_a_trusted_proxy_only(engine: Engine) -> None:
    async with open_world(engine, login_rate_per_minute=1) as world:
        assert (await login(world, **{"X-Forwarded-For": "192.0.2.1"})).status_code == 200
        other = await login(world, TENANT_OWNER, **{"X-Forwarded-For": "192.0.2.2"})
        assert other.status_code == 429


async def test_me_tells_of_a_token_its_inbox_and_scopes(world: World) -> None:
    async with world.client(SALES) as api:
        body = (await api.get("/v1/me/")).json()
    assert body["type"] == "token"
    assert body["user"] is None
    assert body["token"]["token_id"] == world.ids[f"token of {SALES}"]
    assert body["inbox"] == {"inbox_id": world.ids[SALES], "address": SALES}
    assert "email:read" in body["scopes"]
    assert body["tenant"] == {"tenant_id": world.ids["Example"], "name": "Example"}
    assert (body["plan"], body["governance"]) == ("enterprise", "full")


async def test_me_tells_of_a_session_its_user(world: World) -> None:
    async with world.client(MEMBER) as api:
        body = (await api.get("/v1/me/")).json()
    assert (body["type"], body["token"], body["inbox"]) == ("session", None, None)
    assert body["user"]["email"] == MEMBER


async def test_a_role_that_changes_counts_from_the_next_call(world: World) -> None:
    async with world.client(MEMBER) as api:
        body = {"address": "new@example.test", "name": "New"}
        assert (await api.post("/v1/distribution-lists/", json=body)).status_code == 403
        await world.database.write(
            lambda tx: tx.execute(
                "UPDATE users SET role = 'admin' WHERE user_id = :id", {"id": world.raw[MEMBER]}
            )
        )
        assert (await api.post("/v1/distribution-lists/", json=body)).status_code == 201
    found = await world.database.read(
        lambda tx: users.find_user(tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER])
    )
    assert found.role == "admin"
