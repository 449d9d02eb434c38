"""Cards as values: joining loses nothing, taking a join back leaves both as they were."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from storage.contacts.cards import Anniversary, Card, Email, Phone, joined, packed, parted, unpacked

TEXT = st.text("abcäß ,;:\\\n\"'^-", max_size=8)
CARDS = st.builds(
    Card,
    full_name=TEXT,
    emails=st.lists(
        st.builds(Email, TEXT, st.sampled_from(["a@x.test", "A@X.test", "b@x.test", "c@x.test"])),
        max_size=3,
        unique_by=lambda email: email.canonical,
    ).map(tuple),
    phones=st.lists(
        st.builds(Phone, TEXT, st.sampled_from(["+1 2", "+12", "3", "(4) 5"])),
        max_size=3,
        unique_by=lambda phone: phone.digits,
    ).map(tuple),
    organization=TEXT,
    notes=TEXT,
    labels=st.lists(TEXT, max_size=3, unique=True).map(tuple),
    anniversaries=st.lists(
        st.builds(Anniversary, TEXT, st.sampled_from(["2001-02-28", "--02-29"])),
        max_size=2,
        unique=True,
    ).map(tuple),
)


@given(CARDS)
def test_a_card_is_read_back_as_it_was_kept(card: Card) -> None:
    assert unpacked(packed(card)) == card


@given(CARDS, CARDS)
def test_joining_loses_nothing(kept: Card, other: Card) -> None:
    card = joined(kept, other)
    everything = f"{card.full_name}\n{card.organization}\n{card.notes}"
    for text in (kept.full_name, other.full_name, kept.organization, other.organization):
        assert text in everything
    assert kept.notes in card.notes
    assert other.notes in card.notes
    assert {*kept.canonicals, *other.canonicals} == {*card.canonicals}
    assert {*kept.labels, *other.labels} == {*card.labels}
    numbers = {phone.digits for phone in (*kept.phones, *other.phones)}
    assert {phone.digits for phone in card.phones} == numbers
    assert {*kept.anniversaries, *other.anniversaries} == {*card.anniversaries}


@given(CARDS, CARDS)
def test_joining_again_changes_nothing(kept: Card, other: Card) -> None:
    once = joined(kept, other)
    assert joined(once, other) == once


@given(CARDS, CARDS)
def test_a_join_that_is_taken_back_leaves_what_was_there(kept: Card, other: Card) -> None:
    assert parted(joined(kept, other), kept, other) == kept


def test_what_was_changed_since_the_join_stays() -> None:
    kept, other = Card(full_name="A", notes="x"), Card(organization="B", labels=("b",))
    changed = replace(joined(kept, other), organization="C", labels=("b", "new"))
    assert parted(changed, kept, other) == replace(kept, organization="C", labels=("new",))
