"""What holds for every call: forms of a path, methods, ids, order of errors, faults of ours."""

import logging
import sqlite3
from collections.abc import Callable

import pytest

from storage.database import Work
from storage.errors import StoreFull, StoreUnavailable
from tests.builders import MEMBER, SALES, TEAM, TENANT_OWNER, World, deliver, token_with

PROBLEM = "application/problem+json"


async def test_every_response_has_its_own_request_id_and_security_headers(world: World) -> None:
    async with world.client(SALES) as api:
        answers = [
            await api.get("/v1/me/"),
            await api.get("/v1/nothing/"),
            await api.get("/healthz"),
            await api.put("/v1/me/"),
        ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert all(answer.headers["cache-control"] == "no-store" for answer in answers)


async def test_a_path_that_is_none_is_404_without_a_redirect(world: World) -> None:
    async with world.client(SALES) as api:
        for path in (
            "/v1",
            "/consolation/",
            "/v1/me//",
            "//v1/me/",
            "/v1/messages/%FF/",
            "/v1/me%0A",
            "/V1/me/",
        ):
            answer = await api.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM), path


async def test_a_wrong_method_is_405_with_allow_but_401_goes_first(world: World) -> None:
    async with world.client(SALES) as api, world.client() as nobody:
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
            answer = await api.request(method, "/v1/messages/")
            assert answer.status_code == 405
            assert answer.headers["allow"] == "GET, HEAD, PATCH, POST"
            assert answer.json()["code"] == "method_not_allowed"
        assert (await nobody.put("/v1/messages/")).status_code == 401
        assert (await nobody.get("/auth/login/")).status_code == 405


async def test_head_tells_what_get_would_without_the_body(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        for path in ("/v1/inboxes/", f"/v1/messages/{message_id}/raw/", "/v1/nothing/"):
            got, head = await api.get(path), await api.head(path)
            assert head.status_code == got.status_code
            assert head.headers["content-length"] == str(len(got.content))
            assert head.content == b""


async def test_a_problem_has_the_fields_of_rfc_9457_and_a_code(world: World) -> None:
    async with world.client() as nobody:
        answer = await nobody.get("/v1/me/")
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A valid credential is required.",
        "code": "unauthorized",
    }


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Token {}", "Bearer {} x", "Bearer x{}", "{}"],
)
async def test_only_a_bearer_credential_counts(world: World, header: str) -> None:
    async with world.client() as api:
        headers = {"Authorization": header.format(world.secrets[SALES])}
        assert (await api.get("/v1/me/", headers=headers)).status_code == 401
        headers = {"Authorization": f"bearer  {world.secrets[SALES]}"}
        assert (await api.get("/v1/me/", headers=headers)).status_code == 200


async def test_errors_count_in_the_order_of_the_contract(world: World) -> None:
    unknown = "/v1/distribution-lists/lst_" + "0" * 26 + "/"
    known = f"/v1/distribution-lists/{world.ids[TEAM]}/"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with world.client() as nobody:
        assert (await nobody.put(unknown, content=b"{", headers=form)).status_code == 401
    async with world.client(MEMBER) as api:
        assert (await api.put(unknown, content=b"{", headers=form)).status_code == 405
        assert (await api.patch(unknown, content=b"{", headers=form)).status_code == 415
        assert (await api.patch(unknown, json="{")).status_code == 403
    async with world.client(TENANT_OWNER) as api:
        assert (await api.patch(unknown, json="{")).json()["code"] == "malformed_json"
        assert (await api.patch(unknown, json={"odd": 1})).status_code == 404
        assert (await api.patch(known, json={"odd": 1})).status_code == 400


async def test_every_fault_of_body_and_query_is_told_at_once(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(
            "/v1/tokens/?odd=1&odd=2",
            json={"label": " ", "scopes": ["email:read", "root", 7], "tenant_id": "x"},
        )
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_fields"
    assert {fault["field"] for fault in answer.json()["errors"]} == {
        "odd",
        "inbox_id",
        "label",
        "scopes[1]",
        "scopes[2]",
        "tenant_id",
    }


async def test_an_answer_never_echoes_what_was_sent(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answers = [
            await api.post("/v1/tokens/", json={"eve@evil.test": 1, "label": "eve@evil.test\n"}),
            await api.post("/v1/distribution-lists/", json={"address": "eve evil@", "name": "x"}),
            await api.get("/v1/messages/?inbox_id=eve@evil.test"),
            await api.get("/v1/messages/msg_evil/?inbox_id=Sales@example.test"),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 404, 404]
    assert not any("evil" in answer.text for answer in answers)


class Broken:
    """A store on which everything fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read(self, work: Work[object]) -> object:
        raise self.error

    write = read


@pytest.fixture
def broken(world: World) -> Callable[[Exception], None]:
    """Let the API's store fail from now on."""
    service = world.app.router.default._inner._calls._service  # type: ignore[attr-defined]

    def break_with(error: Exception) -> None:
        object.__setattr__(service, "database", Broken(error))

    return break_with


@pytest.mark.parametrize("error", [StoreUnavailable("disk I/O error"), StoreFull("full")])
async def test_a_store_out_of_reach_is_503_with_retry_after(
    world: World, broken: Callable[[Exception], None], error: Exception
) -> None:
    broken(error)
    async with world.client(SALES) as api:
        answer = await api.get("/v1/me/")
        ready, alive = await api.get("/readyz"), await api.get("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (ready.status_code, alive.status_code) == (503, 200)


async def test_what_nobody_foresaw_is_500_without_detail_and_is_logged(
    world: World, broken: Callable[[Exception], None], caplog: pytest.LogCaptureFixture
) -> None:
    broken(sqlite3.ProgrammingError("no such column: secret"))
    with caplog.at_level(logging.ERROR):
        async with world.client(SALES) as api:
            answer = await api.get("/v1/me/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert caplog.records[-1].message == "http_error"
    assert caplog.records[-1].__dict__["pairs"] == {"request": answer.headers["x-request-id"]}


async def test_a_use_that_cannot_be_recorded_does_not_fail_a_reading_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await token_with(world, SALES, "email:read")

    async def refuse(work: Work[object]) -> object:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(world.database, "write", refuse)
    async with world.client(secret=secret) as api:
        assert (await api.get("/v1/me/")).status_code == 200


async def test_readyz_is_503_while_the_data_directory_is_away(world: World) -> None:
    files = world.content.files
    async with world.client() as api:
        files.rename(files.with_name("away"))
        assert (await api.get("/readyz")).status_code == 503
        files.with_name("away").rename(files)
        assert (await api.get("/readyz")).status_code == 200


async def test_readyz_is_503_while_the_store_is_behind(world: World) -> None:
    async with world.client() as api:
        assert (await api.get("/readyz")).json() == {"status": "ready", "sending": "off"}
        await world.database.write(lambda tx: tx.execute("DELETE FROM migrations"))
        assert (await api.get("/readyz")).status_code == 503
