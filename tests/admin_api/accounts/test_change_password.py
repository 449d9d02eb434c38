"""A new password, by who knows the present one."""

from tests.admin_api.accounts.test_users import is_let_in, signs_in
from tests.builders import MEMBER, PASSWORD, SALES, TENANT_OWNER, World, open_world
from tests.support.engines import Engine

PATH = "/auth/change-password/"
NEW = "another long one"


async def test_it_ends_the_users_other_sessions_only(world: World) -> None:
    async with world.client() as api:
        body = {"email": MEMBER, "password": PASSWORD}
        other = (await api.post("/auth/login/", json=body)).json()["access_token"]
    async with world.client(MEMBER) as api:
        answer = await api.post(PATH, json={"current_password": PASSWORD, "new_password": NEW})
        assert (answer.status_code, answer.content) == (204, b"")
    assert await is_let_in(world, world.secrets[MEMBER])
    assert not await is_let_in(world, other)
    assert await is_let_in(world, world.secrets[TENANT_OWNER])
    assert await signs_in(world, MEMBER, NEW)
    assert not await signs_in(world, MEMBER, PASSWORD)
    assert await signs_in(world, TENANT_OWNER, PASSWORD)


async def test_a_wrong_password_changes_nothing(world: World) -> None:
    async with world.client(MEMBER) as api:
        answer = await api.post(PATH, json={"current_password": "guessed", "new_password": NEW})
        assert answer.status_code == 400
        assert [fault["field"] for fault in answer.json()["errors"]] == ["current_password"]
        short = await api.post(PATH, json={"current_password": PASSWORD, "new_password": "x"})
        assert [fault["field"] for fault in short.json()["errors"]] == ["new_password"]
    assert await signs_in(world, MEMBER, PASSWORD)


async def test_a_token_has_no_password(world: World) -> None:
    async with world.client(SALES) as api:
        answer = await api.post(PATH, json={"current_password": PASSWORD, "new_password": NEW})
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")


async def test_guesses_are_limited_like_logins(engine: Engine) -> None:
    async with open_world(engine, login_rate_per_minute=2) as world, world.client(MEMBER) as api:
        body = {"current_password": "guessed", "new_password": NEW}
        statuses = [(await api.post(PATH, json=body)).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]
