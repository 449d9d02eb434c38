"""Agent tokens in the store."""

import pytest

from storage.accounts import tokens
from storage.accounts.tokens import Token
from storage.clock import MINUTE
from storage.database import Tx
from storage.errors import Invalid, NotFound
from tests.builders import FOREIGN_INBOX, SALES, TENANT_OWNER, World, open_world
from tests.support.engines import Engine


async def find(world: World, secret: str) -> Token | None:
    now = world.clock()
    return await world.database.read(
        lambda tx: tokens.find_token_by_secret(tx, secret=secret, now=now)
    )


async def run(world: World, sql: str, **params: object) -> None:
    await world.database.write(lambda tx: tx.execute(sql, params))


async def touch(world: World, now: int) -> None:
    token_id = world.raw[f"token of {SALES}"]
    await world.database.write(
        lambda tx: tokens.touch_token(tx, tenant_id=world.tenant_id, token_id=token_id, now=now)
    )


async def test_a_secret_is_recognisable_long_and_kept_only_as_a_hash(engine: Engine) -> None:
    async with open_world(engine) as world:
        secret = world.secrets[SALES]
        row = await world.database.read(lambda tx: tx.fetch_one("SELECT * FROM tokens"))
    assert secret.startswith("prt_") and len(secret) == 47
    assert 62 ** (len(secret) - 4) > 2**256
    assert row is not None and secret not in str(dict(row))
    files = b"".join(path.read_bytes() for path in engine.data.glob("*.db*"))
    assert secret.encode() not in files


async def test_only_the_whole_secret_finds_the_token(engine: Engine) -> None:
    async with open_world(engine) as world:
        secret = world.secrets[SALES]
        found = await find(world, secret)
        assert found is not None and found.inbox_id == world.raw[SALES]
        for other in (secret[:-1], secret + "x", secret.swapcase(), "", "\ud800"):
            assert await find(world, other) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tokens SET status = 'paused'",
        "UPDATE tokens SET status = 'revoked'",
        "UPDATE inboxes SET deleted_at = 1",
    ],
)
async def test_a_paused_revoked_or_orphaned_token_is_none(engine: Engine, change: str) -> None:
    async with open_world(engine) as world:
        await run(world, change)
        assert await find(world, world.secrets[SALES]) is None


async def test_a_token_ends_at_its_expiry_to_the_microsecond(engine: Engine) -> None:
    async with open_world(engine) as world:
        end = world.clock() + MINUTE
        await run(world, "UPDATE tokens SET expires_at = :end", end=end)
        world.clock.advance(MINUTE - 1)
        assert await find(world, world.secrets[SALES]) is not None
        world.clock.advance(1)
        assert await find(world, world.secrets[SALES]) is None


async def test_every_fault_of_a_new_token_is_told(engine: Engine) -> None:
    async with open_world(engine) as world:

        async def make(tx: Tx) -> object:
            return await tokens.create_token(
                tx,
                tenant_id=world.tenant_id,
                inbox_id=world.raw[FOREIGN_INBOX],
                label=" ",
                scopes=("email:read", "root"),
                created_by=world.raw[TENANT_OWNER],
                expires_at=world.clock(),
                now=world.clock(),
            )

        with pytest.raises(Invalid) as caught:
            await world.database.write(make)
    assert [fault.field for fault in caught.value.faults] == [
        "inbox_id",
        "label",
        "scopes",
        "expires_at",
    ]


async def test_a_use_is_due_once_a_minute_and_never_goes_back(engine: Engine) -> None:
    async with open_world(engine) as world:
        now = world.clock()
        token = await find(world, world.secrets[SALES])
        assert token is not None and tokens.is_touch_due(token, now=now)
        for moment in (now, now - MINUTE):
            await touch(world, moment)
        token = await find(world, world.secrets[SALES])
        assert token is not None and token.last_used_at == now
        assert not tokens.is_touch_due(token, now=now + MINUTE - 1)
        assert tokens.is_touch_due(token, now=now + MINUTE)


async def test_a_tenant_neither_sees_nor_revokes_anothers_tokens(engine: Engine) -> None:
    async with open_world(engine) as world:
        foreign = world.raw[f"token of {FOREIGN_INBOX}"]
        listed = await world.database.read(
            lambda tx: tokens.list_tokens(tx, tenant_id=world.tenant_id)
        )
        assert foreign not in {token.token_id for token in listed} and len(listed) == 3
        with pytest.raises(NotFound):
            await world.database.write(
                lambda tx: tokens.revoke_token(tx, tenant_id=world.tenant_id, token_id=foreign)
            )
        assert await find(world, world.secrets[FOREIGN_INBOX]) is not None
