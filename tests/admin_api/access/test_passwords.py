"""Passwords: argon2id, for users who are there and for those who are not."""

import unicodedata

from admin_api.access.passwords import _nobodys_hash, check_password, hash_password, verify_password


async def test_only_the_password_matches_its_hash() -> None:
    made = hash_password("correct horse")
    assert made.startswith("$argon2id$")
    assert await verify_password(made, "correct horse")
    assert not await verify_password(made, "correct horse ")
    assert not await verify_password("no hash at all", "correct horse")


async def test_nobodys_hash_costs_what_a_users_does_and_matches_nothing() -> None:
    made = hash_password("x" * 8)
    assert _nobodys_hash().rsplit("$", 2)[0] == made.rsplit("$", 2)[0]
    assert len(_nobodys_hash()) == len(made)
    assert not await verify_password(None, "x" * 8)


async def test_a_password_is_the_same_from_every_keyboard() -> None:
    made = hash_password(unicodedata.normalize("NFD", "pässwörd"))
    assert await verify_password(made, unicodedata.normalize("NFC", "pässwörd"))


def test_a_new_password_has_8_to_256_characters() -> None:
    assert check_password("x" * 7) and check_password("x" * 257)
    assert check_password("x" * 8) is None and check_password("x" * 256) is None
