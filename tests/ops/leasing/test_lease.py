from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ops.leasing import holder as holders
from ops.leasing import lease as leases
from ops.leasing.folder import FolderObject
from ops.leasing.holder import Holder, is_dead, this_process
from ops.leasing.lease import FREE, HELD, LOST, OTHERS, TTL_S, Lease, Written
from ops.leasing.lease_object import LeaseObject, ObjectFailed
from tests.support.lease_object import Replica, holder
from tests.support.waiting import until

TIMEOUT_S = 30
ENDED_PID = 2**22 + 1  # more than Linux ever gives


class Clock:
    """A monotonic clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease_of(replica: LeaseObject, here: Holder, clock: Clock) -> Lease:
    return Lease(replica, here, read_back_after_s=0.0, clock=clock)


async def test_whoever_comes_first_holds_the_lease(clock: Clock) -> None:
    replica = Replica()
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))

    await first.check()
    await second.check()

    assert (first.state, second.state) == (HELD, OTHERS)
    assert second.other is not None
    assert second.other.host == "anna"
    assert not first.weak


async def test_of_two_that_take_a_free_lease_in_one_moment_one_gets_it(clock: Clock) -> None:
    replica = Replica()
    both = [lease_of(replica, holder(host), clock) for host in ("anna", "bert")]

    await asyncio.gather(*(each.check() for each in both))
    await asyncio.gather(*(each.check() for each in both))

    assert sorted(each.state for each in both) == [HELD, OTHERS]


async def test_a_lease_that_is_renewed_is_never_taken(clock: Clock) -> None:
    replica = Replica()
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))

    for _ in range(10):
        await first.check()
        await second.check()
        clock.now_s += TTL_S / 2

    assert (first.state, second.state) == (HELD, OTHERS)


async def test_a_lease_that_was_not_renewed_for_its_time_is_taken_and_its_holder_hears_of_it(
    clock: Clock,
) -> None:
    replica = Replica()
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))
    await first.check()
    await second.check()

    clock.now_s += TTL_S + 1
    await second.check()
    assert first.expired
    await first.check()

    assert (first.state, second.state) == (LOST, HELD)
    assert first.lost.is_set()
    assert not first.taken.is_set()
    assert first.other is not None
    assert first.other.host == "bert"


async def test_a_lease_is_only_taken_after_it_was_watched_for_its_whole_time(clock: Clock) -> None:
    replica = Replica()
    first = lease_of(replica, holder("anna"), clock)
    await first.check()
    clock.now_s += 10 * TTL_S
    second = lease_of(replica, holder("bert"), clock)

    await second.check()
    assert second.state == OTHERS
    clock.now_s += TTL_S - 1
    await second.check()
    assert second.state == OTHERS


async def test_what_was_lost_is_not_taken_back_even_when_it_is_free_again(clock: Clock) -> None:
    replica = Replica()
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))
    await first.check()
    await second.check()
    clock.now_s += TTL_S + 1
    await second.check()
    await first.check()

    await second.release()
    await first.check()

    assert first.state == LOST


async def test_a_lease_that_was_given_back_is_taken_at_once(clock: Clock) -> None:
    replica = Replica()
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))
    await first.check()
    await first.release()

    await second.check()

    assert (first.state, second.state) == (FREE, HELD)


async def test_a_renewal_whose_answer_was_lost_loses_nothing(clock: Clock) -> None:
    replica = Replica()
    lease = lease_of(replica, holder("anna"), clock)
    await lease.check()

    replica.answer_lost = True
    assert not await lease.check()
    assert lease.trouble == "the answer was lost"
    assert await lease.check()

    assert lease.state == HELD
    assert not lease.trouble


async def test_a_first_write_whose_answer_was_lost_is_found_to_be_ours(clock: Clock) -> None:
    replica = Replica()
    replica.answer_lost = True
    lease = lease_of(replica, holder("anna"), clock)

    await lease.check()
    await lease.check()

    assert lease.state == HELD


async def test_an_object_that_vanished_is_written_again(clock: Clock) -> None:
    replica = Replica()
    lease = lease_of(replica, holder("anna"), clock)
    await lease.check()
    replica.body = None

    await lease.check()

    assert lease.state == HELD
    assert replica.body is not None


async def test_a_place_that_was_emptied_or_put_back_is_told(clock: Clock) -> None:
    replica = Replica()
    lease = lease_of(replica, holder("anna"), clock)
    await lease.check()
    assert lease.exchanged.is_set(), "nothing was ever copied there"

    lease.exchanged.clear()
    await lease.check()
    of_before = replica.body
    await lease.check()
    assert not lease.exchanged.is_set()
    replica.body, replica.writes = None, replica.writes + 1
    await lease.check()
    assert lease.exchanged.is_set(), "it was emptied"

    lease.exchanged.clear()
    replica.body, replica.writes = of_before, replica.writes + 1
    await lease.check()
    assert lease.exchanged.is_set(), "it was put back to a copy of before"
    assert lease.state == HELD


async def test_a_replica_that_refuses_is_told_in_its_words(clock: Clock) -> None:
    replica = Replica()
    lease = lease_of(replica, holder("anna"), clock)
    replica.failure = "403 Forbidden"

    assert not await lease.check()

    assert (lease.state, lease.trouble) == (FREE, "403 Forbidden")


async def test_a_replica_that_is_silent_is_waited_for_only_so_long(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "ANSWER_TIMEOUT_S", 0.05)
    replica = Replica()
    replica.frozen = True
    lease = lease_of(replica, holder("anna"), clock)

    assert not await asyncio.wait_for(lease.check(), TIMEOUT_S)

    assert "no answer" in lease.trouble


async def test_a_store_that_ignores_conditions_makes_the_lease_weak(clock: Clock) -> None:
    replica = Replica(conditional=False)
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))

    await first.check()
    await second.check()
    await first.check()

    assert (first.state, second.state) == (HELD, OTHERS)
    assert first.weak


async def test_on_a_store_that_ignores_conditions_who_was_overwritten_finds_out_by_reading(
    clock: Clock,
) -> None:
    replica = Replica(conditional=False)
    first, second = (lease_of(replica, holder(host), clock) for host in ("anna", "bert"))

    await asyncio.gather(first.check(), second.check())
    await asyncio.gather(first.check(), second.check())

    assert sorted(each.state for each in (first, second)) in ([HELD, OTHERS], [HELD, LOST])


async def test_what_is_no_lease_is_watched_like_one(clock: Clock) -> None:
    replica = Replica()
    replica.body = b"something else"
    lease = lease_of(replica, holder("anna"), clock)

    await lease.check()
    assert lease.state == OTHERS
    clock.now_s += TTL_S + 1
    await lease.check()

    assert lease.state == HELD


async def test_a_dead_process_of_this_machine_is_replaced_at_once(clock: Clock, tmp_path: Path) -> None:
    replica, here = Replica(), this_process(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = msgspec.structs.replace(here, id="dead", pid=ended.pid)
    replica.body = msgspec.json.encode(Written(holder=dead))
    lease = lease_of(replica, here, clock)

    await lease.check()

    assert lease.state == HELD


@pytest.mark.parametrize(
    ("silent_s", "data", "waits"),
    [(TTL_S / 2, "", False), (TTL_S + 1, "", True), (TTL_S / 2, "elsewhere", True)],
)
async def test_without_conditions_rivals_are_waited_for_where_there_can_be_any(
    clock: Clock, tmp_path: Path, silent_s: float, data: str, waits: bool
) -> None:
    replica, here = Replica(conditional=False), this_process(tmp_path)
    dead = msgspec.structs.replace(here, id="dead", started="1", data=data or here.data)
    replica.body = msgspec.json.encode(Written(holder=dead, at_s=clock.now_s))
    clock.now_s += silent_s
    lease = Lease(replica, here, read_back_after_s=TIMEOUT_S, clock=clock)

    checking = asyncio.create_task(lease.check())
    await until(lambda: replica.writes > 1, "the lease written, and the store tried")
    await asyncio.wait([checking], timeout=0.05)

    assert checking.done() is not waits
    checking.cancel()


async def test_a_lease_that_runs_out_is_looked_at_just_then() -> None:
    replica = Replica()
    replica.body = msgspec.json.encode(Written(holder=holder("anna"), ttl_s=0.1))
    lease = Lease(replica, holder("bert"), ttl_s=TTL_S)
    task = asyncio.create_task(lease.run())

    await asyncio.wait_for(lease.taken.wait(), TTL_S / 5)
    task.cancel()


def test_a_process_that_runs_is_not_dead_and_its_pid_with_another_start_is(tmp_path: Path) -> None:
    here = this_process(tmp_path)
    alive = msgspec.structs.replace(here, id="other")

    assert not is_dead(alive, here)
    assert is_dead(msgspec.structs.replace(alive, started="1"), here)
    assert not is_dead(msgspec.structs.replace(alive, machine="elsewhere", pid=2**22 + 1), here)
    assert str(os.getpid()) in str(here)


def test_a_process_that_is_not_shown_to_us_is_not_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = this_process(tmp_path)
    other = msgspec.structs.replace(here, id="other")
    assert not is_dead(other, here)

    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(holders, "_started", lambda pid: "")
    assert is_dead(msgspec.structs.replace(other, pid=ENDED_PID), here)
    monkeypatch.setattr(os, "kill", refuse)

    assert not is_dead(other, here)


async def test_a_folder_heeds_conditions(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "replica"
    first, second = (lease_of(FolderObject(folder), holder(host), clock) for host in ("anna", "bert"))

    await first.check()
    await first.check()
    await second.check()
    clock.now_s += TTL_S + 1
    await second.check()
    await first.check()

    assert (first.state, second.state) == (LOST, HELD)
    assert not first.weak
    assert not second.weak


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "replica").write_text("not a folder")
    lease = lease_of(FolderObject(tmp_path / "replica"), holder("anna"), clock)

    assert not await lease.check()

    assert str(tmp_path / "replica") in lease.trouble
    with pytest.raises(ObjectFailed):
        await FolderObject(tmp_path / "replica").overwrite(b"")


async def test_it_is_renewed_by_itself(tmp_path: Path) -> None:
    replica = Replica()
    lease = Lease(replica, holder("anna"), ttl_s=0.03, read_back_after_s=0)
    task = asyncio.create_task(lease.run())
    await asyncio.wait_for(lease.taken.wait(), TIMEOUT_S)
    before = replica.writes

    await until(lambda: replica.writes >= before + 3, "three renewals")
    task.cancel()

    assert lease.state == HELD
