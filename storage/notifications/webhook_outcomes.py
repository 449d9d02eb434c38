"""Results of webhook calls: retry, disable, drop.

- A delivery with a 2xx response is finished. A failed one is retried, each time after a longer
  wait; after the last attempt its alert is disabled, and a task notifies its inbox. The alert's
  failures in a row count: a new target begins anew.
- A receiver that answers 410 Gone is disabled immediately.
- The pending deliveries of an alert that is disabled or off are dropped, some at a time.
- Only the holder of the lease decides about the alert. A successful call counts as delivered also
  when the lease was lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from storage.alerts.alerts import ANSWERING, FAILING
from storage.clock import HOUR, MINUTE, SECOND
from storage.database import Tx
from storage.notifications.alert_tasks import KIND
from storage.teamwork.tasks import Draft, create_task

RETRIES = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
TRIES = 1 + len(RETRIES)
LONGEST_WAIT = RETRIES[-1]
UNKNOWN = "the outcome of the last attempt is not known"
DISABLED = "the webhook was disabled"
NOT_VISIBLE = "the inbox does not see it any more"

_SWEPT_AT_ONCE = 1000


def at_once(now: int) -> int:
    """Return a due time in the past, whatever the clock does, that keeps the order of calls."""
    return now // 1000


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """The next delivery of an alert, leased to us. `tries` counts the coming attempt too.

    `attempted_at` is the time of the former attempt, if any.
    """

    alert_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    delivery_id: bytes
    event_id: bytes
    tries: int
    lane: int
    attempted_at: int | None = None


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """The result of a claim that called `target`.

    `status` is the response's, if there was one; `error` the reason of a failure, None after a
    success. `wait` is the least wait that the receiver asked for; `gone`: it wants no more calls;
    `dropped`: nothing was sent, and nothing will be.
    """

    claim: WebhookClaim
    target: str
    status: int | None = None
    error: str | None = None
    wait: int = 0
    gone: bool = False
    dropped: bool = False


async def finish(
    tx: Tx, outcomes: Sequence[WebhookResult], *, owner: bytes, jitter: float, now: int
) -> list[WebhookClaim]:
    """Record the results of calls; return the claims that disabled their alert.

    `jitter`, from 0 to 1, lengthens the waits by up to a tenth.
    """
    disabled = []
    for outcome in outcomes:
        claimed = outcome.claim
        if outcome.dropped:
            await _drop(tx, claimed, now)
        else:
            await tx.execute(_TELL, _told(outcome, now))
        row = await tx.fetch_one(
            """
            SELECT target, failures FROM alerts
            WHERE alert_id = :alert_id AND lease_owner = :owner
            """,
            {"alert_id": claimed.alert_id, "owner": owner},
        )
        if row is None:
            continue
        # A failure of the former target does not count against a new one.
        if outcome.error is None or outcome.dropped or row["target"] != outcome.target:
            await _go_on(tx, outcome, now)
        elif outcome.gone or row["failures"] + 1 >= TRIES:
            await disable(tx, claimed, outcome.error, now=now)
            disabled.append(claimed)
        else:
            wait = max(RETRIES[row["failures"]], outcome.wait) * (1 + jitter / 10)
            await _put_off(tx, outcome, now + min(round(wait), LONGEST_WAIT))
    return disabled


def _told(outcome: WebhookResult, now: int) -> dict[str, object]:
    is_over = outcome.error is None
    return {
        "delivery_id": outcome.claim.delivery_id,
        "new": "delivered" if is_over else "pending",
        "last_status": outcome.status,
        "error": outcome.error,
        "finished_at": now if is_over else None,
    }


_TELL = """
    UPDATE deliveries
    SET status = :new, last_status = :last_status, last_error = :error, finished_at = :finished_at
    WHERE delivery_id = :delivery_id AND (status = 'pending' OR CAST(:new AS TEXT) = 'delivered')
"""


async def _drop(tx: Tx, claimed: WebhookClaim, now: int) -> None:
    """Drop a delivery that may no longer be sent; the results of earlier calls stay recorded."""
    await _unmake(tx, claimed)
    await tx.execute(
        """
        UPDATE deliveries SET status = 'dropped', last_error = :why, finished_at = :now
        WHERE delivery_id = :delivery_id AND status = 'pending'
        """,
        {"delivery_id": claimed.delivery_id, "why": NOT_VISIBLE, "now": now},
    )


async def _unmake(tx: Tx, claimed: WebhookClaim) -> None:
    """Remove the record of a call that was not made."""
    await tx.execute(
        """
        UPDATE deliveries
        SET attempts = attempts - 1, tries = CASE WHEN tries > 0 THEN tries - 1 ELSE 0 END,
            attempted_at = :before
        WHERE delivery_id = :delivery_id AND attempts > 0
        """,
        {"delivery_id": claimed.delivery_id, "before": claimed.attempted_at},
    )


async def _go_on(tx: Tx, outcome: WebhookResult, now: int) -> None:
    """Release the alert; its next delivery is due now, if there is one."""
    answered = f"failures = 0, lane = {ANSWERING}, last_error = NULL,"
    learned = "" if outcome.error is not None or outcome.dropped else answered
    await tx.execute(
        f"""
        UPDATE alerts
        SET {learned} lease_owner = NULL, lease_until = NULL,
            due_at = CASE WHEN EXISTS (
                SELECT 1 FROM deliveries d
                WHERE d.alert_id = alerts.alert_id AND d.status = 'pending')
            THEN CAST(:due AS {tx.dialect["int64"]}) ELSE NULL END
        WHERE alert_id = :alert_id
        """,
        {"alert_id": outcome.claim.alert_id, "due": at_once(now)},
    )


async def _put_off(tx: Tx, outcome: WebhookResult, due: int) -> None:
    """Release the alert until the next attempt is due."""
    await tx.execute(
        f"""
        UPDATE alerts
        SET failures = failures + 1, lane = {FAILING}, last_error = :error, due_at = :due,
            lease_owner = NULL, lease_until = NULL
        WHERE alert_id = :alert_id
        """,
        {
            "alert_id": outcome.claim.alert_id,
            "error": outcome.error,
            "due": due,
        },
    )


async def disable(tx: Tx, claimed: WebhookClaim, error: str, *, now: int) -> None:
    """Disable this webhook, and notify its inbox by a task."""
    alert = await tx.fetch_one(
        "SELECT target FROM alerts WHERE alert_id = :alert_id", {"alert_id": claimed.alert_id}
    )
    if alert is None:
        return
    await tx.execute(
        """
        UPDATE deliveries SET status = 'failed', finished_at = :now
        WHERE delivery_id = :delivery_id AND status = 'pending'
        """,
        {"delivery_id": claimed.delivery_id, "now": now},
    )
    await tx.execute(
        f"""
        UPDATE alerts
        SET status = 'disabled', failures = failures + 1, lane = {FAILING}, last_error = :error,
            due_at = :due, lease_owner = NULL, lease_until = NULL
        WHERE alert_id = :alert_id
        """,
        {"alert_id": claimed.alert_id, "error": error, "due": at_once(now)},
    )
    host = urlsplit(alert["target"]).hostname or ""
    draft = Draft(KIND, f"[Webhook disabled] {host}", f"It failed too often. Last: {error}.")
    key = {"tenant_id": claimed.tenant_id, "inbox_id": claimed.inbox_id}
    await create_task(tx, **key, draft=draft, created_by=None, now=now)


async def drop_pending(tx: Tx, *, alert_id: bytes, now: int) -> None:
    """Drop some of the pending deliveries of an alert that is off or disabled."""
    swept = await tx.execute(
        """
        UPDATE deliveries SET status = 'dropped', last_error = :why, finished_at = :now
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries
                              WHERE alert_id = :alert_id AND status = 'pending'
                              ORDER BY queued LIMIT :most)
        """,
        {"alert_id": alert_id, "why": DISABLED, "most": _SWEPT_AT_ONCE, "now": now},
    )
    if swept < _SWEPT_AT_ONCE:
        await tx.execute(
            "UPDATE alerts SET due_at = NULL WHERE alert_id = :alert_id", {"alert_id": alert_id}
        )


async def release_uncalled(
    tx: Tx, claims: Sequence[WebhookClaim], *, owner: bytes, now: int
) -> None:
    """Give back claims that were not called at all; they are due at `now`."""
    for one in claims:
        await _unmake(tx, one)
        await _release(tx, one, owner, now)


async def release_interrupted(
    tx: Tx, claims: Sequence[WebhookClaim], *, owner: bytes, now: int
) -> None:
    """Give back claims whose call was interrupted by our stop; another process may take them now.

    The receiver may have got the call, so it stays recorded; it is no failure.
    """
    for one in claims:
        await tx.execute(
            """
            UPDATE deliveries SET tries = tries - 1 WHERE delivery_id = :delivery_id AND tries > 0
            """,
            {"delivery_id": one.delivery_id},
        )
        await _release(tx, one, owner, now)


async def _release(tx: Tx, claimed: WebhookClaim, owner: bytes, due: int) -> None:
    await tx.execute(
        """
        UPDATE alerts SET lease_owner = NULL, lease_until = NULL, due_at = :due
        WHERE alert_id = :alert_id AND lease_owner = :owner
        """,
        {"alert_id": claimed.alert_id, "owner": owner, "due": due},
    )
