"""One's own sessions: listed, ended one by one and together."""

from tests.builders import MEMBER, PASSWORD, SALES, STRANGER, World

SESSIONS = "/v1/sessions/"


async def signed_in(world: World, agent: str) -> str:
    async with world.client(None) as api:
        answer = await api.post(
            "/auth/login/",
            json={"email": MEMBER, "password": PASSWORD},
            headers={"User-Agent": agent},
        )
    return str(answer.json()["access_token"])


async def test_a_user_sees_and_ends_their_own_sessions(world: World) -> None:
    second, third = [await signed_in(world, f"Browser {number}") for number in (2, 3)]
    async with world.client(None, secret=second) as api:
        first, current, other = (await api.get(SESSIONS)).json()
        assert [one["current"] for one in (first, current, other)] == [False, True, False]
        assert (current["user_agent"], other["user_agent"]) == ("Browser 2", "Browser 3")
        assert current["kind"] == "api"
        assert current["address"] == "127.0.0.1"
        assert first["user_agent"] == ""

        path = f"{SESSIONS}{other['session_id']}/"
        async with world.client(STRANGER) as stranger:
            assert (await stranger.delete(path)).status_code == 404
        assert (await api.delete(path)).status_code == 204
        assert (await api.delete(path)).status_code == 404
        async with world.client(None, secret=third) as ended:
            assert (await ended.get(SESSIONS)).status_code == 401

        assert (await api.delete(SESSIONS)).status_code == 204
        (only,) = (await api.get(SESSIONS)).json()
        assert only["session_id"] == current["session_id"]
        async with world.client(MEMBER) as ended:
            assert (await ended.get(SESSIONS)).status_code == 401
        async with world.client(STRANGER) as stranger:
            assert (await stranger.get(SESSIONS)).status_code == 200

        assert (await api.delete(f"{SESSIONS}{only['session_id']}/")).status_code == 204
        assert (await api.get(SESSIONS)).status_code == 401


async def test_a_token_has_no_sessions(world: World) -> None:
    async with world.client(SALES) as api:
        for answer in (await api.get(SESSIONS), await api.delete(SESSIONS)):
            assert answer.status_code == 403
