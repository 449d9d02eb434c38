"""Counters in memory that forked processes share."""

import os

from gateway.counters import BATCH_SIZES, COMMIT_MICROSECONDS, NAMES, Counters
from gateway.server.metrics import _COUNTED
from gateway.smtp import replies
from gateway.smtp.replies import Reply, labels


def counted(counters: Counters, reply: Reply) -> None:
    counters.replied(reply.code, reply.text)


def test_what_every_process_counts_adds_up_and_stays_when_it_is_gone() -> None:
    counters = Counters(3, labels())
    counters.begin(0)
    counters.add("connections", 2)
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            counters.begin(number)
            counters.add("connections")
            counted(counters, replies.LIST_EMPTY)
            counters.committed(messages=3, copies=6, octets=700, seconds=0.004)
            os._exit(0)
        os.waitpid(child, 0)
    counted(counters, replies.LIST_EMPTY)
    assert counters.total("connections") == 4
    assert counters.total("messages_accepted") == 6
    assert counters.total("copies_written") == 12
    assert dict(counters.replies()) == {("450", "list_empty"): 3}
    assert list(counters.pids()) == [0, 1, 2]
    assert counters.pids()[0] == os.getpid()
    times, sizes = counters.commit_microseconds(), counters.batch_sizes()
    assert times.total == 8000
    assert times.counts[COMMIT_MICROSECONDS.index(5_000)] == sum(times.counts) == 2
    assert (sizes.total, sizes.counts[BATCH_SIZES.index(5)]) == (6, 2)


def test_values_beyond_every_bound_are_counted() -> None:
    counters = Counters(1, labels())
    counters.committed(messages=1000, copies=1000, octets=1, seconds=100)
    assert counters.commit_microseconds().counts[-1] == 1
    assert counters.batch_sizes().counts[-1] == 1


def test_every_reply_is_counted_by_its_name() -> None:
    counters = Counters(1, labels())
    constants = {name: one for name, one in vars(replies).items() if isinstance(one, Reply)}
    for reply in constants.values():
        counted(counters, reply)
    assert dict(counters.replies()) == {
        (str(reply.code), name.lower()): 1 for name, reply in constants.items()
    }


def test_replies_made_for_one_peer_share_a_series() -> None:
    counters = Counters(1, labels())
    for number in range(3):
        counted(counters, replies.accepted(f"msg_{number}"))
    counted(counters, replies.greeting("mx.example.test", "ESMTP"))
    counters.replied_code(250)
    counters.replied_code(999)
    assert dict(counters.replies()) == {("250", "other"): 4, ("220", "other"): 1}


def test_every_count_is_explained() -> None:
    assert tuple(_COUNTED) == NAMES
