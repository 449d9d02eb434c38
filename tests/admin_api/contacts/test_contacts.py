"""Contacts over HTTP: cards, search, merging, vCards."""

from typing import Any

import httpx2
import pytest

from storage.clock import DAY
from tests.builders import AGENT, FOREIGN_INBOX, MEMBER, SALES, SUPPORT, World

Record = dict[str, Any]  # one JSON object; the border of the API
CONTACTS = "/v1/contacts/"
GRACE = {
    "full_name": "Grace Hopper",
    "emails": [{"label": "work", "address": "Grace@Navy.test"}],
    "phones": [{"label": "", "number": "+1 (555) 010-0199"}],
    "organization": "US Navy",
    "labels": ["vip"],
    "anniversaries": [{"type": "birthday", "date": "1906-12-09"}],
}


async def made(api: httpx2.AsyncClient, **card: object) -> Record:
    answer = await api.post(CONTACTS, json=card)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def names(api: httpx2.AsyncClient, **query: str) -> list[str]:
    answer = await api.get(CONTACTS, params=query)
    assert answer.status_code == 200, answer.text
    return [card["full_name"] for card in answer.json()["results"]]


async def test_a_card_is_made_read_changed_and_deleted(world: World) -> None:
    async with world.client(SALES) as api:
        card = await made(api, **GRACE)
        path = f"{CONTACTS}{card['id']}/"
        assert {key: card[key] for key in GRACE} == GRACE
        assert (card["source"], card["read_only"], card["notes"]) == (None, False, "")

        changed = await api.patch(path, json={"notes": "Met.", "labels": []})
        assert changed.json() == card | {
            "notes": "Met.",
            "labels": [],
            "updated_at": changed.json()["updated_at"],
        }
        assert (await api.get(path)).json() == changed.json()
        assert (await api.delete(path)).status_code == 204
        assert (await api.get(path)).status_code == 404
        assert await names(api) == []


async def test_the_longest_notes_of_an_import_can_be_sent_back_as_they_were_read(
    world: World,
) -> None:
    longest = "n" * 100_000
    lines = ("BEGIN:VCARD", "VERSION:4.0", "FN:Ann", f"NOTE:{longest}", "END:VCARD", "")
    async with world.client(SALES) as api:
        answer = await api.post(
            f"{CONTACTS}import/",
            content="\r\n".join(lines),
            headers={"Content-Type": "text/vcard"},
        )
        path = f"{CONTACTS}{answer.json()['results'][0]['id']}/"
        read = (await api.get(path)).json()["notes"]
        assert read == longest

        assert (await api.patch(path, json={"notes": read})).status_code == 200
        refused = await api.patch(path, json={"notes": longest + "n"})
        assert refused.status_code == 400
        assert [fault["field"] for fault in refused.json()["errors"]] == ["notes"]


async def test_a_card_is_seen_by_its_inbox_only(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = await made(api, full_name="Ann")
        assert (await other.get(f"{CONTACTS}{card['id']}/")).status_code == 404
        assert await names(other) == []
    async with world.client(MEMBER) as session:
        answer = await session.get(CONTACTS, params={"inbox_id": SUPPORT})
        assert answer.json() == {"results": [], "total": 0, "position": 0, "limit": 50}
        assert (await session.get(CONTACTS, params={"inbox_id": SALES})).status_code == 404


async def test_an_address_stands_on_one_card_and_the_conflict_names_it(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = await made(api, **GRACE)
        again = {"full_name": "G", "emails": [{"address": "GRACE@navy.TEST"}]}
        answer = await api.post(CONTACTS, json=again)
        assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
        assert str(card["id"]) in answer.json()["detail"]
        second = await made(api, full_name="Second")
        answer = await api.patch(f"{CONTACTS}{second['id']}/", json={"emails": again["emails"]})
        assert answer.status_code == 409
        await made(other, **again)


async def test_every_fault_of_a_card_is_told(world: World) -> None:
    body = {
        "emails": [{"address": "nonsense"}, {"label": 1, "address": "a@b.test"}],
        "phones": [{"number": ""}],
        "anniversaries": [{"type": "birthday", "date": "--02-30"}],
        "id": "ctc_1",
        "source": None,
    }
    async with world.client(SALES) as api:
        answer = await api.post(CONTACTS, json=body)
        assert {fault["field"] for fault in answer.json()["errors"]} == {
            "emails[0].address",
            "emails[1].label",
            "phones[0].number",
            "anniversaries[0].date",
            "id",
            "source",
        }
        twice = [{"address": "a@b.test"}, {"address": "A@b.test"}]
        answer = await api.post(CONTACTS, json={"emails": twice})
        assert answer.json()["errors"] == [
            {"field": "emails[1].address", "message": "occurs twice"}
        ]
        assert (await api.post(CONTACTS, json={"notes": "Nobody."})).status_code == 400
        leap = [{"type": "birthday", "date": "--02-29"}]
        await made(api, full_name="Leap", anniversaries=leap)


async def test_search_finds_names_addresses_numbers_and_organisations(world: World) -> None:
    async with world.client(SALES) as api:
        await made(api, **GRACE)
        await made(api, full_name="Ändi 100%", emails=[{"address": "andi_x@people.test"}])
        found = ["Grace Hopper"]
        for text in ("hopp", "GRACE navy", "@navy.test", "5550100199", "010-0199", "us navy"):
            assert await names(api, q=text) == found, text
        assert await names(api, q="äNDI") == await names(api, q="0%") == ["Ändi 100%"]
        assert await names(api, q="andi_x") == ["Ändi 100%"]
        assert await names(api, q="andi%x") == await names(api, q="hopper people") == []


async def test_pages_are_by_position_with_a_total(world: World) -> None:
    async with world.client(SALES) as api:
        for name in ("c", "A", "b", "D"):
            await made(api, full_name=name)
        assert await names(api) == ["A", "b", "c", "D"]
        page = (await api.get(CONTACTS, params={"position": "1", "limit": "2"})).json()
        assert [card["full_name"] for card in page["results"]] == ["b", "c"]
        assert (page["total"], page["position"], page["limit"]) == (4, 1, 2)
        assert await names(api, position="9") == []
        for wrong in ({"position": "-1"}, {"limit": "201"}, {"cursor": "x"}):
            assert (await api.get(CONTACTS, params=wrong)).status_code == 400


async def test_merging_loses_nothing_and_can_be_taken_back(world: World) -> None:
    async with world.client(SALES) as api:
        kept = await made(api, **GRACE)
        other = await made(
            api,
            full_name="G. Hopper",
            emails=[{"address": "g@home.test"}],
            phones=[{"label": "home", "number": "+15550100199"}, {"number": "7"}],
            organization="Yale",
            notes="Likes clocks.",
            labels=["vip", "press"],
        )
        path = f"{CONTACTS}{kept['id']}/"
        answer = await api.post(path + "merge/", json={"contact_id": other["id"]})
        merged = answer.json()
        assert answer.status_code == 200
        assert merged["full_name"] == "Grace Hopper"
        assert [one["address"] for one in merged["emails"]] == ["Grace@Navy.test", "g@home.test"]
        assert [one["number"] for one in merged["phones"]] == ["+1 (555) 010-0199", "7"]
        assert merged["labels"] == ["vip", "press"]
        for text in ("G. Hopper", "Yale", "Likes clocks."):
            assert text in merged["notes"]
        assert await names(api) == ["Grace Hopper"]

        await api.patch(path, json={"organization": "Navy"})
        world.clock.advance(30 * DAY - 1)
        back = (await api.post(path + "unmerge/")).json()
        assert back["organization"] == "Navy"
        assert (back["emails"], back["labels"], back["notes"]) == (
            kept["emails"],
            kept["labels"],
            "",
        )
        again = (await api.get(f"{CONTACTS}{other['id']}/")).json()
        same = ("id", "full_name", "emails", "phones", "organization", "notes", "labels")
        assert {key: again[key] for key in same} == {key: other[key] for key in same}
        answer = await api.post(path + "unmerge/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_merged")


async def test_a_merge_is_final_after_thirty_days(world: World) -> None:
    async with world.client(SALES) as api:
        kept, other = await made(api, full_name="A"), await made(api, full_name="B")
        path = f"{CONTACTS}{kept['id']}/"
        itself = await api.post(path + "merge/", json={"contact_id": kept["id"]})
        assert itself.status_code == 400
        await api.post(path + "merge/", json={"contact_id": other["id"]})
        world.clock.advance(30 * DAY)
        assert (await api.post(path + "unmerge/")).status_code == 409


async def test_a_card_to_merge_is_refused_alike_whosever_it_is(world: World) -> None:
    async with (
        world.client(SALES) as api,
        world.client(SUPPORT) as other,
        world.client(FOREIGN_INBOX) as foreign,
    ):
        kept = await made(api, full_name="A")
        theirs = [await made(other, full_name="B"), await made(foreign, full_name="C")]
        path = f"{CONTACTS}{kept['id']}/merge/"
        answers = {
            (await api.post(path, json={"contact_id": named})).content
            for named in (theirs[0]["id"], theirs[1]["id"], "ctc_" + "0" * 26, "nonsense")
        }
        assert len(answers) == 1
        assert b'"field":"contact_id"' in answers.pop()


async def test_a_card_goes_out_as_vcard_and_comes_back(world: World) -> None:
    async with world.client(SALES) as api, world.client(AGENT) as other:
        card = await made(api, **GRACE, notes="Line one\nline two; three")
        shown = await api.get(f"{CONTACTS}{card['id']}/vcard/")
        assert shown.headers["content-type"].startswith("text/vcard")
        assert "VERSION:4.0\r\n" in shown.text
        assert "BDAY:19061209\r\n" in shown.text
        older = await api.get(f"{CONTACTS}export/", params={"version": "3.0"})
        assert "VERSION:3.0\r\n" in older.text

        for text in (shown.text, older.text):
            report = await imported(other, text.encode())
            assert report["results"][0]["status"] in ("created", "unchanged")
        (copy,) = (await other.get(CONTACTS)).json()["results"]
        assert {key: copy[key] for key in GRACE} == GRACE
        assert copy["notes"] == card["notes"]


async def imported(api: httpx2.AsyncClient, file: bytes) -> Record:
    headers = {"Content-Type": "text/vcard; charset=utf-8"}
    answer = await api.post(f"{CONTACTS}import/", content=file, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_an_import_tells_of_every_card(world: World) -> None:
    file = b"".join(
        b'BEGIN:VCARD\r\nVERSION:%s\r\nFN:%s\r\nEMAIL:%s\r\nX-ODD;P="a;b":1\\;2\r\nEND:VCARD\r\n'
        % card
        for card in (
            (b"4.0", b"One", b"one@x.test"),
            (b"2.0", b"Old", b"old@x.test"),
            (b"3.0", b"Two", b"two@x.test"),
            (b"4.0", b"One more", b"ONE@x.test"),
        )
    )
    async with world.client(SALES) as api:
        report = await imported(api, file + b"BEGIN:VCARD\r\nVERSION:4.0\r\n")
        kinds = ["created", "failed", "created", "merged", "failed"]
        assert [one["status"] for one in report["results"]] == kinds
        assert (report["created"], report["merged"], report["failed"]) == (2, 1, 2)
        again = await imported(api, file)
        assert (again["unchanged"], again["created"], again["merged"]) == (3, 0, 0)
        export = (await api.get(f"{CONTACTS}export/")).text
        assert export.count('X-ODD;P="a;b":1\\;2\r\n') == 2
        assert (await imported(api, export.encode()))["unchanged"] == 2


async def test_a_file_that_is_too_large_or_of_another_kind_changes_nothing(world: World) -> None:
    card = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:One\r\nEND:VCARD\r\n"
    vcard = {"Content-Type": "text/vcard"}
    async with world.client(SALES) as api:
        file = card + b"X" * (16 * 1024 * 1024)
        answer = await api.post(f"{CONTACTS}import/", content=file, headers=vcard)
        assert answer.status_code == 413
        answer = await api.post(f"{CONTACTS}import/", json={})
        assert answer.status_code == 415
        assert await names(api) == []


@pytest.mark.parametrize("many", [2_500, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_thousands_of_cards_are_imported_in_one_file(world: World, many: int) -> None:
    file = b"".join(
        b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Person %d\r\nEMAIL:p%d@x.test\r\nEND:VCARD\r\n" % (n, n)
        for n in range(many)
    )
    async with world.client(SALES) as api:
        report = await imported(api, file)
        assert report["created"] == many
        page = (await api.get(CONTACTS, params={"q": f"p{many - 1}@x", "limit": "1"})).json()
        assert page["total"] == 1
        export = (await api.get(f"{CONTACTS}export/")).text
        assert export.count("END:VCARD\r\n") == many
