"""Passwords: argon2id, never on the event loop, one speed for every answer.

- 46 MiB, 1 pass, 1 lane: the largest of OWASP's minimum settings for argon2id (RFC 9106). It is
  above the memory that the C library keeps (32 MiB), so the memory is given back after each login.
  argon2 is imported with the first password.
- An unknown user is verified against a hash that no password has: the answer takes as long as the
  one for a wrong password.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 8
MAX_LENGTH = 256

_PASSES, _KIB, _LANES = 1, 46 * 1024, 1


def check_password(password: str) -> str | None:
    """Return the fault of a new password, as a message for its field; None when there is none."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"
    return None


def hash_password(password: str) -> str:
    """Return the hash to store; blocks for some 30 ms."""
    return _hasher().hash(_normal(password))


async def hash_in_turn(turns: asyncio.Semaphore, password: str) -> str:
    """Return the hash to store, made in a thread, one password at a time."""
    # Each hash holds 46 MiB: a burst of passwords in parallel would take all memory.
    async with turns:
        return await asyncio.to_thread(hash_password, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether `password` is right; pass `None` as the hash of an unknown user."""
    # Also verified for nobody: a quicker answer would tell which addresses have an account.
    known = password_hash is not None
    return await asyncio.to_thread(_matches, password_hash or _nobodys_hash(), password) and known


def _matches(password_hash: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> bytes:
    """Return the same bytes for every keyboard (RFC 8265 4.2.2: NFC)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    # Imported here, so that a start, or a command without a password, does not wait for it.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=_KIB, parallelism=_LANES)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32)
    )
    return f"$argon2id$v=19$m={_KIB},t={_PASSES},p={_LANES}${salt}${digest}"


def _password(text: str) -> str:
    fault = check_password(text)
    if fault:
        raise ValueError(fault)
    return text


NewPassword = Annotated[str, Field(max_length=1024), AfterValidator(_password)]
