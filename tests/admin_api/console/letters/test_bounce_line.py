"""A report that comes back is a line of the time line, and no message to answer."""

from storage.ids import to_text
from tests.admin_api.console.visitor import signed_in
from tests.builders import SALES, TENANT_OWNER, World, receive
from tests.storage.outbound.queued import claimed, enqueued
from tests.support.cases import cases
from tests.support.post_room import parse_waiting
from tests.support.reports import report


async def test_a_report_is_a_line_of_the_time_line(world: World) -> None:
    letter = await enqueued(world)
    (one,) = await claimed(world)
    to = one.reverse_path(verp=True)
    said = report(("grace@sender.test", "failed", "5.1.1", "550 5.1.1 no such user"), to=to)
    person = await signed_in(world, TENANT_OWNER)
    path = f"/console/{SALES}/threads/{to_text('thr', letter.thread_id)}/"
    with cases() as case:
        await receive(world, to, body=said)
        with case("before it is read it came back"):
            assert "Came back" in (await person.get(path)).text
        await parse_waiting(world.database, world.clock())
        page = (await person.get(path)).text
        with case("then it says what became of the letter"):
            assert '<span class="chip warn">Not delivered</span>' in page
            assert "A mail server reports that the letter was not delivered." in page
        with case("the answer is to the letter's recipients, not to the server"):
            assert "grace@sender.test" in page.partition('id="letter"')[2]
            assert "MAILER-DAEMON" not in page.partition('id="letter"')[2]
