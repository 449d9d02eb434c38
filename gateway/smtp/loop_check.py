"""Loop detection on a message that has arrived whole, before it is stored.

Rules this module keeps:

- Nothing here reads, writes or waits; a check gives the reply that refuses the message, or None.
- The sender's own fields are used to stop a loop and for nothing else.

RFC 5321 6.3 (loop detection).
"""

from collections.abc import Iterable

from gateway.message.header_scan import HeaderScan
from gateway.smtp import replies
from gateway.smtp.replies import Reply
from storage.address import canonical_or_none

# Below the 100 of RFC 5321 6.3: mail that is not in a loop has a dozen, and each turn costs.
MAX_HOPS = 50


def check_hops(scan: HeaderScan, list_addresses: Iterable[str], hostname: str) -> Reply | None:
    """Refuse mail that has come too far, or that was delivered to one of these lists before.

    Delivered-To alone is no proof, since other servers write that field for the same address, so
    a Received that names `hostname` has to stand beside it.
    """
    if scan.received_count > MAX_HOPS:
        return replies.TOO_MANY_HOPS
    if scan.delivered_to and _came_by(scan, hostname) and _was_delivered(scan, list_addresses):
        return replies.LOOP
    return None


def _came_by(scan: HeaderScan, hostname: str) -> bool:
    ours = hostname.lower().rstrip(".")
    return any(host.rstrip(".") == ours for host in scan.received_by)


def _was_delivered(scan: HeaderScan, list_addresses: Iterable[str]) -> bool:
    lists = {_key(address) for address in list_addresses}
    return any(_key(value.strip("<>")) in lists for value in scan.delivered_to)


def _key(address: str) -> str:
    return canonical_or_none(address) or address
