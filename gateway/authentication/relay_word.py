"""The relay's word: results that a relay of ours wrote above its own Received, and that we believe.

- Only fields that name an authserv-id of the setting `auth_results_from` are read, and only those
  above the second Received: the sender could write the ones below. The caller makes sure that
  the peer is exempt.
- OpenDKIM and OpenDMARC write above the relay's own Received, rspamd directly below it. Where one
  stands above, those below do not count: the sender wrote them, and these two leave them there.
- Several fields with the name are read together: a relay's filters write one each. Of SPF, DMARC
  and ARC the uppermost result counts.
- The grammar is that of `storage.message_format.authserv_id`. At most 50 results are read.

RFC 8601 2.2 (grammar), 5 (whom to believe).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast, get_args

from gateway.authentication.domain_names import domain_name
from gateway.authentication.result import (
    Arc,
    ArcResult,
    Dkim,
    DkimResult,
    DmarcResult,
    Scope,
    Spf,
    SpfResult,
)
from gateway.authentication.signatures.header_block import cut
from storage.message_format.authserv_id import clauses, comparable

MOST_RESULTS = 50
_LONGEST_FIELD = 16 * 1024
_FIELD = b"authentication-results"
_METHOD = re.compile(r"[a-z][a-z0-9-]*")
_ALGORITHM = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Stated:
    """One result of a field: `dkim=pass`, with its properties by lower-case name."""

    method: str
    result: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class ResultsField:
    """An Authentication-Results field."""

    server: str
    results: tuple[Stated, ...]


@dataclass(frozen=True, slots=True)
class RelayWord:
    """The results that a relay has stated; None for a method of which it said nothing.

    `author` is the domain of which it checked DMARC.
    """

    spf: Spf | None = None
    dkim: tuple[Dkim, ...] | None = None
    dmarc: DmarcResult | None = None
    author: str | None = None
    arc: Arc | None = None


def read_relay_word(header: bytes, names: Collection[str]) -> RelayWord | None:
    """Return the word of a relay with one of these names; None when it says nothing.

    `header` may have the body behind it.
    """
    known = {comparable(one) for one in names}
    # Above the relay's own Received, and between that and the next one.
    places: tuple[list[ResultsField], list[ResultsField]] = ([], [])
    hops = 0
    for one in cut(header).fields:
        # Our own Received is not in the stored bytes: the first one is the relay's.
        hops += one.name == b"received"
        if hops > 1:
            break
        if one.name == _FIELD:
            read = read_results(one.value, has_server=True)
            if comparable(read.server) in known:
                places[hops].append(read)
    above, below = places
    stated = [one for field in above or below for one in field.results]
    return _word(stated[:MOST_RESULTS])


def read_results(octets: bytes, *, has_server: bool = False) -> ResultsField:
    """Read the value of a field; without `has_server` only its results."""
    text = octets[:_LONGEST_FIELD].decode("utf-8", "replace")
    parts = clauses(text)
    server = ""
    if has_server:
        first = next(parts, [])
        server = first[0] if first else ""
    results = [read for clause in parts if (read := _stated(clause)) is not None]
    return ResultsField(server, tuple(results[:MOST_RESULTS]))


def _stated(clause: list[str]) -> Stated | None:
    if len(clause) < 3 or clause[1] != "=":
        return None
    method = clause[0].partition("/")[0].lower()
    if not _METHOD.fullmatch(method):
        return None
    properties: dict[str, str] = {}
    place = 3
    while place + 2 < len(clause) and clause[place + 1] == "=":
        name, value, place = clause[place].lower(), clause[place + 2], place + 3
        # A value may itself have `=`, unquoted, as in an address with a tag of a forwarder.
        while place + 1 < len(clause) and clause[place] == "=":
            value, place = f"{value}={clause[place + 1]}", place + 2
        properties.setdefault(name, value)
    return Stated(method, clause[2].lower(), properties)


def _word(stated: list[Stated]) -> RelayWord | None:
    """Put the results together."""
    first = {one.method: one for one in reversed(stated)}
    spf, dmarc, arc = first.get("spf"), first.get("dmarc"), first.get("arc")
    signed = [one for one in stated if one.method == "dkim" and one.result != "none"]
    word = RelayWord(
        spf=_spf(spf) if spf else None,
        dkim=tuple(map(_dkim, signed)) if "dkim" in first else None,
        dmarc=_dmarc(dmarc.result) if dmarc else None,
        author=domain_name(dmarc.properties.get("header.from", "")) if dmarc else None,
        arc=Arc(_arc(arc.result)) if arc else None,
    )
    return None if word == RelayWord() else word


def _spf(stated: Stated) -> Spf:
    mail_from = stated.properties.get("smtp.mailfrom") or stated.properties.get("smtp.mfrom")
    scope: Scope = "mailfrom" if mail_from else "helo"
    named = mail_from or stated.properties.get("smtp.helo", "")
    known = stated.result in get_args(SpfResult)
    # RFC 8601 2.7.2 has "policy" besides: the record was not followed.
    result = cast(SpfResult, stated.result) if known else "neutral"
    return Spf(result, scope, domain_name(named.rpartition("@")[2]))


def _dkim(stated: Stated) -> Dkim:
    named = stated.properties.get("header.d") or stated.properties.get("header.i", "")
    algorithm = stated.properties.get("header.a", "").lower()
    known = stated.result in get_args(DkimResult)
    return Dkim(
        cast(DkimResult, stated.result) if known else "neutral",
        domain_name(named.rpartition("@")[2]),
        domain_name(stated.properties.get("header.s", "")),
        algorithm if _ALGORITHM.fullmatch(algorithm) else None,
    )


def _dmarc(result: str) -> DmarcResult:
    # Others have "bestguesspass", which is a pass of no record.
    return cast(DmarcResult, result) if result in get_args(DmarcResult) else "none"


def _arc(result: str) -> ArcResult:
    return cast(ArcResult, result) if result in get_args(ArcResult) else "fail"
