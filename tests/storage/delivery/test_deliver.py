"""The delivery transaction: a copy for each inbox, once, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.message import header_scan
from gateway.message.arrival import arrival as arrival_of
from storage.clock import DAY, SECOND
from storage.database import Tx
from storage.delivery.arrivals import (
    Recipient,
    Repeated,
    RouteChanged,
    Stored,
    Unsettled,
)
from storage.delivery.retry_receipts import OTHERS_SETTLE, RECEIPTS_KEPT
from storage.directory import inboxes, lists
from storage.directory.resolve import Verdict
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    SALES,
    SUPPORT,
    TEAM,
    World,
    open_world,
)
from tests.storage.delivery.arriving import (
    THEM,
    US,
    count,
    deliver,
    holders,
    mail,
    nothing_of_mail,
    rows,
    stored,
)
from tests.support.engines import Engine, Engines
from tests.support.retention import forgotten


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


async def test_every_member_of_the_list_gets_a_copy(world: World) -> None:
    one = await stored(world, mail(world, "team@example.test"))

    assert await holders(world, one.message_id) == [SALES, SUPPORT]
    (message,) = await rows(world, "SELECT copies_owed, copies_gone FROM messages")
    assert (message["copies_owed"], message["copies_gone"]) == (2, 0)
    assert await count(world, "contents") == 1
    events = await rows(world, "SELECT inbox_id FROM events WHERE type = 'message.received'")
    assert [row["inbox_id"] for row in events] == [None]  # one, whoever has a copy


async def test_an_inbox_reached_by_two_routes_gets_one_copy_that_names_both(world: World) -> None:
    arrival = mail(world, "team+x@example.test", "sales@example.test", "TEAM@example.test")
    one = await stored(world, arrival)

    assert await holders(world, one.message_id) == [SALES, SUPPORT]
    named = await rows(
        world,
        "SELECT i.address, r.recipient FROM copy_routes w"
        " JOIN routes r ON r.message_id = w.message_id AND r.position = w.position"
        " JOIN inboxes i ON i.inbox_id = w.inbox_id ORDER BY i.address, r.position",
    )
    assert [(row["address"], row["recipient"]) for row in named] == [
        (SALES, "team+x@example.test"),
        (SALES, "sales@example.test"),
        (SALES, "TEAM@example.test"),
        (SUPPORT, "team+x@example.test"),
        (SUPPORT, "TEAM@example.test"),
    ]


async def test_members_are_those_of_the_commit(world: World) -> None:
    arrival = mail(world, "team@example.test")
    now = world.clock()
    key = {"tenant_id": world.tenant_id, "list_id": world.raw[TEAM], "now": now}
    await world.database.write(
        lambda tx: lists.add_member(tx, inbox_id=world.raw[AGENT], **key)  # type: ignore[arg-type]
    )
    await world.database.write(
        lambda tx: lists.remove_member(tx, inbox_id=world.raw[SALES], **key)  # type: ignore[arg-type]
    )

    one = await stored(world, arrival)

    assert await holders(world, one.message_id) == [AGENT, SUPPORT]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM list_members",
        "DELETE FROM addresses WHERE list_id IS NOT NULL",
        "UPDATE domains SET status = 'revoked'",
    ],
)
async def test_a_route_that_is_gone_by_the_commit_stores_nothing_for_anybody(
    world: World, change: str
) -> None:
    arrival = mail(world, "agent@example.test", "team@example.test")
    await world.database.write(lambda tx: tx.execute(change))

    assert await deliver(world, arrival) == [RouteChanged()]
    assert await nothing_of_mail(world)


async def test_a_recipient_of_another_tenant_stores_nothing(world: World) -> None:
    assert await deliver(world, mail(world, "agent@example.test", FOREIGN_INBOX)) == [
        RouteChanged()
    ]
    assert await nothing_of_mail(world)


async def test_where_each_recipient_is_answered_those_that_are_gone_take_nothing_from_the_others(
    world: World,
) -> None:
    arrival = mail(world, "nobody@example.test", "agent@example.test", "team@example.test")
    arrival = arrival._replace(each_recipient=True)
    await world.database.write(lambda tx: tx.execute("DELETE FROM list_members"))

    (outcome,) = await deliver(world, arrival)

    assert isinstance(outcome, Stored)
    assert outcome.refused == ((0, Verdict.UNKNOWN), (2, Verdict.EMPTY_LIST))
    assert await holders(world, outcome.message_id) == [AGENT]
    (again,) = await deliver(world, arrival)
    assert again == Repeated(outcome.message_id, outcome.digests, outcome.refused)


async def test_where_each_recipient_is_answered_and_all_are_gone_each_is_told(
    world: World,
) -> None:
    arrival = mail(world, "nobody@example.test", FOREIGN_INBOX)._replace(each_recipient=True)

    assert await deliver(world, arrival) == [
        RouteChanged(((0, Verdict.UNKNOWN), (1, Verdict.ROUTE)))
    ]
    assert await nothing_of_mail(world)


async def test_a_message_that_cannot_be_stored_does_not_keep_its_neighbours_out(
    world: World,
) -> None:
    first, gone, last = await deliver(
        world,
        mail(world, "team@example.test", body=b"1"),
        mail(world, "nobody@example.test", body=b"2"),
        mail(world, "agent@example.test", body=b"3"),
    )

    assert isinstance(first, Stored) and isinstance(last, Stored)
    assert gone == RouteChanged()
    assert first.message_id < last.message_id
    assert await holders(world, last.message_id) == [AGENT]
    assert await count(world, "messages") == 2


async def test_a_fault_in_one_message_takes_the_whole_batch_back(world: World) -> None:
    """The gateway then tries them one by one."""
    faulty = mail(world, "team@example.test", body=b"2")._replace(subject="\ud800")

    with pytest.raises(UnicodeEncodeError):
        await deliver(world, mail(world, "team@example.test", body=b"1"), faulty)

    assert await nothing_of_mail(world)


async def test_the_same_again_makes_no_copy_while_nobody_confirmed(world: World) -> None:
    (first,) = await deliver(world, mail(world, "team@example.test"))
    world.clock.advance(DAY)
    (again,) = await deliver(world, mail(world, "team@example.test"))

    assert isinstance(first, Stored)
    assert again == Repeated(first.message_id, first.digests)
    assert await count(world, "copies") == 2


async def test_a_confirmed_delivery_is_never_taken_for_its_twin(world: World) -> None:
    first = await stored(world, mail(world, "team@example.test"))
    second = await stored(world, mail(world, "team@example.test"))

    assert first.message_id < second.message_id
    assert await count(world, "copies") == 4
    assert await count(world, "receipts") == 0


@pytest.mark.parametrize("field", ["body", "reverse_path", "recipients"])
async def test_what_differs_in_anything_is_another_message(world: World, field: str) -> None:
    await deliver(world, mail(world, "team@example.test"))
    others = {
        "body": mail(world, "team@example.test", body=b"y"),
        "reverse_path": mail(world, "team@example.test")._replace(reverse_path=""),
        "recipients": mail(world, "agent@example.test"),
    }

    (outcome,) = await deliver(world, others[field])

    assert isinstance(outcome, Stored)


async def test_by_another_spelling_of_the_address_it_is_the_same_route(world: World) -> None:
    await deliver(world, mail(world, "team@example.test"))

    (outcome,) = await deliver(world, mail(world, "TEAM+again@EXAMPLE.test."))

    assert isinstance(outcome, Repeated)


async def test_what_was_not_there_before_is_delivered_and_the_rest_is_not(world: World) -> None:
    await deliver(world, mail(world, "team@example.test"))

    (outcome,) = await deliver(world, mail(world, "team@example.test", "agent@example.test"))

    assert isinstance(outcome, Stored)
    assert await holders(world, outcome.message_id) == [AGENT]
    assert await count(world, "copies") == 3


async def test_a_receipt_is_forgotten_after_five_days(world: World) -> None:
    await deliver(world, mail(world, "team@example.test"))
    world.clock.advance(RECEIPTS_KEPT)

    (outcome,) = await deliver(world, mail(world, "team@example.test"))

    assert isinstance(outcome, Stored)
    assert await count(world, "copies") == 4
    world.clock.advance(RECEIPTS_KEPT)
    assert await forgotten(world.database, "receipts", now=world.clock()) == 1


async def test_while_the_first_session_is_open_nothing_is_decided(world: World) -> None:
    (first,) = await deliver(world, mail(world, "team@example.test"))
    assert isinstance(first, Stored)
    arrival = mail(world, "team@example.test")

    (waiting,) = await deliver(world, arrival, still_open=first.digests)
    (settled,) = await deliver(world, arrival._replace(patient=False), still_open=first.digests)

    assert waiting == Unsettled(first.digests[0], is_ours=True)
    assert isinstance(settled, Repeated)


async def test_two_of_a_kind_in_one_batch_are_judged_one_after_the_other(world: World) -> None:
    twin = mail(world, "team@example.test")

    first, second = await deliver(world, twin, twin)

    assert isinstance(first, Stored)
    assert second == Unsettled(first.digests[0], is_ours=True)
    assert await count(world, "messages") == 1


async def test_another_process_is_given_time_to_write_its_confirmation(world: World) -> None:
    (first,) = await deliver(world, mail(world, "team@example.test"), owner=THEM)
    assert isinstance(first, Stored)

    (soon,) = await deliver(world, mail(world, "team@example.test"))
    world.clock.advance(OTHERS_SETTLE)
    (later,) = await deliver(world, mail(world, "team@example.test"))

    assert soon == Unsettled(first.digests[0], is_ours=False)
    assert isinstance(later, Repeated)


async def test_a_confirmation_forgets_no_receipt_of_another_process(world: World) -> None:
    """Of ours that came late: meanwhile the sender has asked another gateway."""
    (first,) = await deliver(world, mail(world, "team@example.test"))
    assert isinstance(first, Stored)
    world.clock.advance(OTHERS_SETTLE)
    (again,) = await deliver(world, mail(world, "team@example.test"), owner=THEM)
    assert isinstance(again, Repeated)

    await deliver(world, confirmed=first.digests)
    world.clock.advance(OTHERS_SETTLE)
    (later,) = await deliver(world, mail(world, "team@example.test"))

    assert isinstance(later, Repeated)
    await deliver(world, confirmed=later.digests)
    (new,) = await deliver(world, mail(world, "team@example.test"))
    assert isinstance(new, Stored)


async def test_parallel_deliveries_of_one_message_are_one(engine: Engine) -> None:
    """Two openings of the store, as two gateways have: one finds the other's receipt."""
    async with open_world(engine) as world:
        other = replace(world, database=await engine.open(world.clock))
        arrival = mail(world, "team@example.test")._replace(patient=False)

        outcomes = await asyncio.gather(
            *(deliver(place, arrival, owner=owner) for place, owner in [(world, US), (other, THEM)])
        )

        kinds = [type(outcome) for (outcome,) in outcomes]
        assert sorted(kinds, key=str) == [Repeated, Stored]
        assert await count(world, "copies") == 2
        await other.database.close()


async def test_ids_of_messages_and_events_rise_when_the_clock_goes_back(world: World) -> None:
    first = await stored(world, mail(world, "team@example.test"))
    world.clock.now -= 3600 * SECOND
    second = await stored(world, mail(world, "team@example.test"))

    assert first.message_id < second.message_id
    events = await rows(
        world, "SELECT message_id FROM events WHERE type = 'message.received' ORDER BY event_id"
    )
    assert [row["message_id"] for row in events] == [first.message_id, second.message_id]


HOSTILE = st.lists(
    st.tuples(
        st.sampled_from(
            [b"From", b"To", b"Cc", b"Subject", b"Message-ID", b"In-Reply-To", b"References"]
        ),
        st.binary(max_size=60)
        | st.sampled_from(
            [
                b"a\x00b",
                b"=?utf-8?q?=00=ED=A0=80?= <a\x00@x.test>",
                b"\xed\xa0\x80\xff\xfe",
                b"=?utf-7?q?+2AA-?=",
                b"<\x00@x> <\xff@x> <=?utf-16?b?2AA=?=@x>",
                "\U0010ffff\ufffe\u202e".encode(),
            ]
        ),
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(HOSTILE)
async def test_what_any_header_says_can_be_stored(
    engines: Engines,
    tmp_path_factory: pytest.TempPathFactory,
    fields: list[tuple[bytes, bytes]],
) -> None:
    """PostgreSQL refuses NUL, and both refuse lone surrogates: the scan leaves neither."""
    head = b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n"
    with engines(tmp_path_factory.mktemp("data")) as engine:
        async with open_world(engine) as world:
            arrival = arrival_of(
                header_scan.scan(head),
                mail(world).content,
                tenant_id=world.tenant_id,
                recipients=[Recipient("team@example.test", "team", "example.test")],
                reverse_path="",
                client_ip="192.0.2.7",
                helo="mx.sender.test",
                protocol="ESMTP",
                hostname="mx.example.test",
                transaction_id="1",
                now=world.clock(),
            )
            await stored(world, arrival)


async def test_nothing_is_delivered_to_an_inbox_that_was_deleted(world: World) -> None:
    await world.database.write(
        lambda tx: tx.execute(
            "UPDATE inboxes SET deleted_at = 1 WHERE inbox_id = :inbox_id",
            {"inbox_id": world.raw[AGENT]},
        )
    )

    assert await deliver(world, mail(world, "agent@example.test")) == [RouteChanged()]


async def test_a_thousand_members_are_one_statement(world: World) -> None:
    async def enrol(tx: Tx) -> None:
        (inbox, *_) = await inboxes.list_inboxes(tx, tenant_id=world.tenant_id)
        (domain,) = await tx.fetch_all(
            "SELECT domain_id FROM inboxes WHERE inbox_id = :id", {"id": inbox.inbox_id}
        )
        made = [
            {
                "inbox_id": tx.new_id(),
                "tenant_id": world.tenant_id,
                "domain_id": domain["domain_id"],
                "address": f"m{number}@example.test",
                "list_id": world.raw[TEAM],
                "member_id": tx.new_id(),
            }
            for number in range(1000)
        ]
        await tx.execute_many(
            "INSERT INTO inboxes (inbox_id, tenant_id, domain_id, address, canonical, display_name,"
            " default_timezone, share_relationships, created_at)"
            " VALUES (:inbox_id, :tenant_id, :domain_id, :address, :address, '', 'UTC', 1, 1)",
            made,
        )
        await tx.execute_many(
            "INSERT INTO list_members (list_id, inbox_id, member_id, added_at)"
            " VALUES (:list_id, :inbox_id, :member_id, 1)",
            made,
        )

    await world.database.write(enrol)

    one = await stored(world, mail(world, "team@example.test"))

    assert len(await holders(world, one.message_id)) == 1002
