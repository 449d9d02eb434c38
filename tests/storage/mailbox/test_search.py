"""Search finds the same on both engines, and nothing that is not the inbox's."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.address import parse_address
from storage.clock import DAY, SECOND, rfc3339
from storage.database import Tx
from storage.directory import lists
from storage.errors import Invalid
from storage.ids import to_text
from storage.index import sqlite_fts
from storage.index.query import Query, Term, matches, parse_query, with_words
from storage.index.words import FILLER, MAX_WORDS, document, is_packed, pack, unpack, words
from storage.mailbox import copies, parsed
from storage.mailbox.search import SearchFilter, search_messages
from tests.support.engines import Engine
from tests.support.post_room import ANN, BEN, START, TEAM, Post, letter, open_post


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    async with open_post(engine) as opened:
        yield opened


async def found(post: Post, query: str | Query, address: str = ANN, **rest: object) -> list[bytes]:
    asked = parse_query(query) if isinstance(query, str) else query
    wanted = SearchFilter(query=asked, **rest)  # type: ignore[arg-type]  # a test names real fields
    return await post.database.read(
        lambda tx: search_messages(
            tx,
            tenant_id=post.tenant_id,
            inbox_id=post.raw[address],
            wanted=wanted,
            before=None,
            limit=50,
            now=0,
        )
    )


async def test_words_and_phrases_are_found_wherever_they_stand(post: Post) -> None:
    one = await post.deliver(letter("The quarterly report is late", subject="Figures"))
    two = await post.deliver(letter("Report the late quarterly", subject="Weather"))
    await post.parse_all()

    assert await found(post, "report QUARTERLY") == [two, one]
    assert await found(post, '"quarterly report"') == [one]
    assert await found(post, "figures report") == [one]
    assert await found(post, "subject:weather") == [two]
    assert await found(post, "subject:report") == []
    assert await found(post, "from:grace@sender.test") == [two, one]
    assert await found(post, "from:team") == []
    assert await found(post, "to:team@example.test late") == [two, one]
    assert await found(post, "nowhere") == []


async def test_a_phrase_does_not_reach_from_one_field_into_the_next(post: Post) -> None:
    await post.deliver(letter("beta", subject="alpha"))
    await post.parse_all()

    assert len(await found(post, "alpha beta")) == 1
    assert await found(post, '"alpha beta"') == []


@pytest.mark.parametrize("query", ["東京", "京都", "東京都", "東", "都", "タワー", "東京都タワー"])
async def test_scripts_without_spaces_are_found_by_any_part(post: Post, query: str) -> None:
    one = await post.deliver(letter("明日、東京都タワーで会いましょう"))
    await post.deliver(letter("大阪"))
    await post.parse_all()

    assert await found(post, query) == [one]
    assert await found(post, "都東") == []


async def test_case_width_and_composition_make_no_difference(post: Post) -> None:
    one = await post.deliver(letter("Ｓtraße Cafe\u0301 ﬁn"))
    await post.parse_all()

    for query in ("STRASSE", "café", "CAFÉ", "fin"):
        assert await found(post, query) == [one], query


async def test_a_message_that_waits_for_the_parser_is_found_by_its_header(post: Post) -> None:
    one = await post.deliver(letter("body", subject="Budget"))

    assert await found(post, "subject:budget from:grace") == [one]
    assert await found(post, f"list:{TEAM}") == [one]
    assert await found(post, "body") == []
    assert await found(post, "has:attachment") == []


async def test_lists_attachments_and_dates_narrow_a_search(post: Post) -> None:
    one = await post.deliver(letter("same"))
    two = await post.deliver(letter("same"), ANN)
    post.later(10 * DAY)
    three = await post.deliver(_with_file())
    await post.parse_all()
    list_id = to_text("lst", post.raw[TEAM])
    day = rfc3339(START + 2 * DAY)[:10]

    assert await found(post, f"list:{TEAM}") == [three, one]
    assert await found(post, f"same list:{list_id}") == [three, one]
    assert await found(post, "list:nobody@example.test") == []
    assert await found(post, "has:attachment same") == [three]
    assert await found(post, f"after:{day} same") == [three]
    assert await found(post, f"same before:{day}") == [two, one]
    assert await found(post, f"before:{day} after:{day}") == []
    assert await found(post, f"before:{rfc3339(START + 2 * SECOND)} same") == [one]
    assert await found(post, "report.pdf") == [three]


def _with_file() -> bytes:
    return (
        b"From: g@sender.test\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nsame\r\n--b\r\nContent-Type: application/pdf\r\n"
        b'Content-Disposition: attachment; filename="Report.pdf"\r\n\r\n%PDF\r\n--b--\r\n'
    )


async def test_an_inbox_finds_its_own_copies_only(post: Post) -> None:
    one = await post.deliver(letter("same"))
    mine = await post.deliver(letter("same"), BEN)
    await post.parse_all()

    assert await found(post, "same", ANN) == [one]
    assert await found(post, "same", BEN) == [mine, one]


async def test_a_list_by_which_only_others_got_the_message_finds_nothing(post: Post) -> None:
    async def board(tx: Tx) -> None:
        made = await lists.create_list(
            tx,
            tenant_id=post.tenant_id,
            address=parse_address("board@example.test"),
            name="Board",
            created_by=None,
            now=post.now,
        )
        await lists.add_member(
            tx,
            tenant_id=post.tenant_id,
            list_id=made.list_id,
            inbox_id=post.raw[BEN],
            now=post.now,
        )

    await post.database.write(board)
    one = await post.deliver(letter("same"), ANN, "board@example.test")

    for _ in range(2):  # before the parser has seen it, and after
        assert await found(post, "list:board@example.test", ANN) == []
        assert await found(post, "list:board@example.test", BEN) == [one]
        await post.parse_all()
    assert await found(post, "same list:board@example.test", ANN) == []
    assert await found(post, "same list:board@example.test", BEN) == [one]


async def test_who_left_a_list_before_the_parsing_still_finds_the_copy(post: Post) -> None:
    one = await post.deliver(letter("same"))
    await post.database.write(
        lambda tx: lists.remove_member(
            tx,
            tenant_id=post.tenant_id,
            list_id=post.raw[TEAM],
            inbox_id=post.raw[ANN],
            now=post.now,
        )
    )
    await post.parse_all()

    assert await found(post, "same", ANN) == [one]


async def test_a_folder_and_a_read_state_narrow_a_search(post: Post) -> None:
    one, two = [await post.deliver(letter("same")) for _ in range(2)]
    await post.parse_all()
    await post.database.write(
        lambda tx: copies.update_copy(
            tx,
            tenant_id=post.tenant_id,
            inbox_id=post.raw[ANN],
            message_id=one,
            now=post.clock(),
            folder="archive",
            is_read=True,
        )
    )

    assert await found(post, "same", folders=("inbox",)) == [two]
    assert await found(post, "same", folders=("archive",)) == [one]
    assert await found(post, "same", folders=("junk",)) == []
    assert await found(post, "same", folders=("inbox", "archive")) == [two, one]
    assert await found(post, "same", is_read=True) == [one]


async def test_a_page_follows_the_one_before(post: Post) -> None:
    sent = [await post.deliver(letter("same")) for _ in range(7)]
    await post.parse_all()
    sent += [await post.deliver(letter("x", subject="same")) for _ in range(3)]

    shown: list[bytes] = []
    before: bytes | None = None
    while True:
        page = await post.database.read(
            lambda tx, before=before: search_messages(  # type: ignore[misc]
                tx,
                tenant_id=post.tenant_id,
                inbox_id=post.raw[ANN],
                wanted=SearchFilter(query=parse_query("same")),
                before=before,
                limit=3,
                now=0,
            )
        )
        if not page:
            break
        shown += page
        before = page[-1]

    assert shown == sent[::-1]


async def test_what_is_dropped_leaves_nothing_in_the_index(post: Post) -> None:
    one, two = [await post.deliver(letter("same words here")) for _ in range(2)]
    await post.parse_all()

    await post.database.write(lambda tx: parsed.drop(tx, message_id=one))

    assert await found(post, '"same words"') == [two]
    await post.database.write(lambda tx: parsed.drop(tx, message_id=two))
    await post.database.write(lambda tx: parsed.drop(tx, message_id=two))
    assert await found(post, "same") == []


async def test_no_query_is_an_error_but_a_date_that_is_none(post: Post) -> None:
    one = await post.deliver(letter("and or not near"))
    await post.parse_all()

    for query in (
        '"',
        "and OR not",
        "(near",
        "a:b* ^",
        "-near AND",
        "'near",
        "near\\",
        "has:",
        ":",
    ):
        await found(post, query)
    assert await found(post, "near*") == [one]
    for query in ("after:yesterday", "before:2026-02-30", "after:2026-01-01T00:00:00", 'before:""'):
        with pytest.raises(Invalid) as raised:
            parse_query(query)
        assert [fault.field for fault in raised.value.faults] == ["q"]


def test_text_that_holds_no_word_asks_for_nothing() -> None:
    assert parse_query("!!! ... ''") == Query()
    assert with_words(Query(), "any", "§") == Query()


def test_a_query_is_read_as_it_was_meant() -> None:
    query = parse_query('Foo "bar baz" FROM:ann@x.org has:ATTACHMENT has:y to:"open')

    assert query.has_attachment is True
    assert query.terms == (
        Term("any", ("foo",)),
        Term("any", ("bar", "baz")),
        Term("sender", ("ann", "x", "org")),
        Term("any", ("has", "y")),
        Term("recipient", ("open",)),
    )


def test_a_document_has_no_more_words_than_an_engine_takes() -> None:
    found = document(sender="a", recipient="b", subject="c", body=["w " * 300, "x1 y2 " * 20_000])

    assert sum(len(part) for part in (found.sender, found.subject, found.body)) <= MAX_WORDS
    assert found.body.count("w") == 255
    assert found.body.count(FILLER) > 45
    assert document(sender="", recipient="", subject="", body=["z" * 500]).body == ("z" * 64,)


TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("ab  .'\"東京都ไทe\u0301"), st.characters(codec="utf-8")),
    max_size=40,
)


@given(TEXT)
def test_any_text_is_packed_and_unpacked(text: str) -> None:
    packed = pack(document(sender=text, recipient=text, subject=text, body=[text]))

    assert is_packed(packed)
    assert unpack(packed)["body"].split() == words(text)[:MAX_WORDS]


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(texts=st.lists(TEXT, min_size=1, max_size=4), asked=st.lists(TEXT, min_size=1, max_size=6))
async def test_an_engine_finds_what_the_words_say(
    post: Post, texts: list[str], asked: list[str]
) -> None:
    mark = f"mark{post.now}"
    sent = {}
    for text in texts:
        message_id = await post.deliver(letter(text, subject=mark))
        sent[message_id] = document(
            sender="Grace grace@sender.test", recipient=TEAM, subject=mark, body=[text]
        )
    await post.parse_all()

    here = with_words(Query(), "subject", mark)  # earlier examples are in the store as well
    for text in [*asked, *texts]:
        for query in (with_words(here, "any", text), parse_query(text.replace(":", " "), here)):
            expected = sorted((one for one in sent if matches(query, sent[one])), reverse=True)
            assert await found(post, query) == expected, text


def test_the_first_ten_words_count_and_what_must_hold_beside_them_first() -> None:
    many = " ".join(f"w{number}" for number in range(20))
    assert [term.words for term in parse_query(many).terms] == [(f"w{n}",) for n in range(10)]
    (phrase,) = parse_query(f'"{many}"').terms
    assert phrase == Term("any", tuple(f"w{number}" for number in range(10)))
    sender, *others = parse_query(many, with_words(Query(), "sender", "ann")).terms
    assert (sender, len(others)) == (Term("sender", ("ann",)), 9)


async def test_a_sparse_folder_is_searched_by_its_own_messages(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_fts, "_HITS_WALKED", (1, 2))
    monkeypatch.setattr(sqlite_fts, "_JUDGED_AT_ONCE", 2)
    sent = [await post.deliver(letter(f"same number {number}")) for number in range(12)]
    await post.parse_all()
    for one in sent[:5]:
        await post.database.write(
            lambda tx, one=one: copies.update_copy(  # type: ignore[misc]
                tx,
                tenant_id=post.tenant_id,
                inbox_id=post.raw[ANN],
                message_id=one,
                now=post.clock(),
                folder="archive",
                is_read=True,
            )
        )

    expected = sent[:5][::-1]
    thread = await post.database.read(
        lambda tx: tx.fetch_one(
            "SELECT thread_id FROM messages WHERE message_id = :one", {"one": sent[3]}
        )
    )
    assert thread is not None
    for judged in (2_000, 2):
        monkeypatch.setattr(sqlite_fts, "_JUDGED", judged)
        assert await found(post, '"same number"', folders=("archive",)) == expected
        assert await found(post, f"same list:{TEAM}", is_read=True) == expected
        assert await found(post, "same", folders=("archive", "junk")) == expected
        assert await found(post, "same 3", folders=("archive",)) == [sent[3]]
        assert await found(post, "same", thread_id=bytes(thread["thread_id"])) == [sent[3]]
        assert await found(post, "same", is_read=False) == sent[5:][::-1]
