"""Fifty people talk while the server is killed, stopped, frozen or loses its sockets: no promise breaks."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.faults.storm import PEOPLE, Storm

EXIT_MAX_S = 10.0
FROZEN_MAX_S = 2.0
MOMENT_MAX_S = 0.4
STARTING_MAX_S = 1.0
SHUTDOWN = 3001
KILLED_AT_START = 0.25
DROPPED = 0.5


async def test_a_server_killed_at_random_moments_loses_and_repeats_nothing(storm: Storm, cycles: int) -> None:
    for _ in range(cycles):
        await moment(storm)
        await storm.server.kill()
        await storm.all_gone()
        storm.check()
        if storm.chance.random() < KILLED_AT_START:
            await kill_while_starting(storm)
        await storm.server.launch()
        await storm.all_back()
    await storm.end()
    assert storm.verdict() == []
    assert len(storm.ledger.acks) > PEOPLE * cycles


async def test_a_server_that_is_stopped_under_load_loses_nothing_and_says_so(
    small_storm: Storm, rounds: int
) -> None:
    for _ in range(rounds):
        await moment(small_storm)
        attending = [door for door in small_storm.sockets if door.connected]
        started_s = time.monotonic()
        assert await small_storm.server.terminate() == 0
        assert time.monotonic() - started_s < EXIT_MAX_S
        await small_storm.all_gone()
        small_storm.check()
        await small_storm.server.launch()
        await small_storm.all_back()
        assert {door.close_codes[-1] for door in attending} == {SHUTDOWN}
    await small_storm.end()
    assert small_storm.verdict() == []


async def test_a_server_that_is_frozen_for_a_while_loses_and_repeats_nothing(
    small_storm: Storm, rounds: int
) -> None:
    for _ in range(rounds):
        await moment(small_storm)
        small_storm.server.send_signal(signal.SIGSTOP)
        await asyncio.sleep(small_storm.chance.uniform(0, FROZEN_MAX_S))
        small_storm.server.send_signal(signal.SIGCONT)
        await small_storm.heard(small_storm.count)
    await small_storm.end()
    assert small_storm.verdict() == []


async def test_sockets_that_are_lost_at_random_cost_no_gap_and_no_repeat(storm: Storm, rounds: int) -> None:
    for _ in range(rounds):
        await moment(storm)
        lost = [door for door in storm.sockets if storm.chance.random() < DROPPED]
        await asyncio.gather(*(door.abort() for door in lost))
        await storm.all_back()
    await storm.end()
    assert storm.verdict() == []
    assert sum(follower.recoveries for follower in storm.followers) > len(storm.followers)


async def moment(storm: Storm) -> None:
    """Let everybody talk for a random while: the moment of the fault must be a random one."""
    await asyncio.sleep(storm.chance.uniform(0, MOMENT_MAX_S))


async def kill_while_starting(storm: Storm) -> None:
    """Start the server and kill it before it has come far, or just after."""
    storm.server.spawn()
    await asyncio.sleep(storm.chance.uniform(0, STARTING_MAX_S))
    await storm.server.kill()
