"""Why a sender is verified or not, in words for somebody who knows nothing of SPF, DKIM and DMARC.

- The first sentence is the verdict and what to do; the others are the reasons that decided it.
- Names of domains come from a stranger's mail: the template shows them as all such text.
"""

from __future__ import annotations

from collections.abc import Iterator

from admin_api.http.records import ReadRecord as Record

_VERDICTS = {
    "verified": "The sender is real: {0} vouches for this message.",
    "failed": "This message says it is from {0}, and {0} does not vouch for it. "
    "Do not trust its links, files and bank details.",
    "unknown": "It could not be checked who sent this.",
    "unverified": "Nothing proves who sent this. That is common, and no sign of fraud by itself.",
}
_WISHES = {
    "reject": "asks that such messages are refused",
    "quarantine": "asks that such messages are treated with suspicion",
}
_OVERRIDES = {
    "arc": "A forwarder that your server trusts vouches for it, so it was taken.",
    "exempt": "It came through a server of your own, so it was taken.",
    "testing": "The domain only tries its rule so far, so it was taken.",
    "postmaster": "Postmaster and abuse get all mail, so it was taken.",
}
_NO_AUTHOR = {
    "several_from": "It names more than one sender.",
    "no_from": "It names no sender.",
    "no_domain": "The sender's address has no domain that could be asked.",
    "unclear_from": "The sender's name is written so that it can be read in two ways.",
}
_UNCHECKED = {
    "behind_relay": "It came through a server of your own, which does not tell from where.",
    "no_address": "It came from a program on the server itself.",
    "too_old": "It was too old when its turn came.",
    "unreadable": "It could not be read for the check.",
    "fault": "The check itself failed; your administrator finds it in the log.",
    "dns": "The sender's domain could not be asked; this is tried again.",
}
_CHANGED = {
    "body_changed": "Its text is not as {} signed it: it was changed on the way.",
    "header_changed": "Its header is not as {} signed it: it was changed on the way.",
    "body_not_covered": "{} signed only the beginning of its text.",
    "expired": "The signature of {} has expired.",
}


def sentences(found: Record | None) -> list[str]:
    """Return the verdict and its reasons; `found` is `authentication` of a message."""
    if found is None:
        return ["It was not checked yet who sent this. That takes a moment."]
    verdict = _VERDICTS.get(found["verdict"], _VERDICTS["unverified"])
    told = [verdict.format(found["from_domain"]), *_reasons(found)]
    if found["override"]:
        told.append(_OVERRIDES[found["override"]])
    if found["source"] == "relay":
        told.append("So says your own mail server, which had the message first.")
    return told


def _reasons(found: Record) -> Iterator[str]:
    verdict, dmarc = found["verdict"], found["dmarc"]
    if verdict == "verified":
        yield from _proofs(found)
    elif verdict == "unknown":
        reason = dmarc["reason"] or found["spf"]["reason"] or "dns"
        yield _UNCHECKED.get(reason, _UNCHECKED["dns"])
    else:
        yield from _doubts(found)


def _proofs(found: Record) -> Iterator[str]:
    for one in found["dkim"]:
        if one["aligned"] and one["result"] == "pass":
            yield f"It carries a valid signature of {one['domain']}, and was not changed since."
            break
    if found["spf"]["aligned"] and found["spf"]["result"] == "pass":
        yield f"It came from a server that {found['spf']['domain']} names for its mail."


def _doubts(found: Record) -> Iterator[str]:
    spf, dmarc = found["spf"], found["dmarc"]
    if dmarc["reason"] in _NO_AUTHOR:
        yield _NO_AUTHOR[dmarc["reason"]]
        return
    if spf["result"] in ("fail", "softfail"):
        yield f"It came from a server that {spf['domain']} does not name for its mail."
    # A message may carry any number of signatures.
    for one in found["dkim"][:3]:
        if one["reason"] in _CHANGED:
            yield _CHANGED[one["reason"]].format(one["domain"] or "its signer")
        elif one["result"] == "pass" and not one["aligned"]:
            yield f"It is signed by {one['domain']}, which is another domain than the sender's."
    if not found["dkim"]:
        yield "It carries no signature."
    if dmarc["policy"] in _WISHES and dmarc["result"] == "fail":
        yield f"{dmarc['domain']} {_WISHES[dmarc['policy']]}."
    elif dmarc["reason"] == "no_record":
        yield f"{found['from_domain']} publishes no rule for mail in its name."
