"""The truth about replication, judged from scripted answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat.health import DEGRADED, OK, together
from chat.replication import DOWN, LAGGING, REFUSED, REPLICATING, STALLED, STARTING, LeaseReport
from chat.settings import Settings
from chat.store import StoreFailed
from ops import replication as truth
from ops import replication_course
from ops.replication import Replication
from ops.supervising.control_socket import SyncOutcome
from ops.supervising.status import LitestreamStatus
from storage.checkpoint import Checkpoint
from tests.support.waiting import until

PATH = Path("/data/main.db")
ERROR = SyncOutcome(ok=False, reason="/sync answered 500: missing ltx")
RUNNING = LitestreamStatus(running=True, pid=7)


class Script:
    """A supervisor whose answers the test writes."""

    def __init__(self) -> None:
        self.status = RUNNING
        self.refusal = ""
        self.trouble_text = ""
        self.outcome = SyncOutcome(ok=True, status="synced")
        self.slow_s = 0.0
        self.syncs: list[Path] = []
        self.under_way = 0
        self.most_under_way = 0
        self.restarts: list[str] = []
        self.let_go_of: list[Path] = []
        self._ended = asyncio.Event()

    async def run(self) -> None:
        await self._ended.wait()

    async def stop(self) -> None:
        self._ended.set()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        self.syncs.append(file)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        await asyncio.sleep(self.slow_s)
        self.under_way -= 1
        return self.outcome

    async def restart(self, reason: str) -> None:
        self.restarts.append(reason)

    async def let_go(self, file: Path, timeout_s: float) -> None:
        self.let_go_of.append(file)

    async def trouble(self) -> str:
        return self.trouble_text

    def lease_report(self) -> LeaseReport:
        return LeaseReport(state="held")


class File:
    """A store that counts its heartbeats."""

    def __init__(self) -> None:
        self.path = PATH
        self.beats: list[int] = []
        self.failure = ""

    async def beat(self, now_ms: int) -> None:
        if self.failure:
            raise StoreFailed(self.failure)
        self.beats.append(now_ms)

    def sizes(self) -> tuple[int, int]:
        return 0, 0

    async def checkpoint(self) -> Checkpoint:
        return Checkpoint(0, 0)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and give no time to start."""
    monkeypatch.setattr(truth, "FAILED_PROBE_S", 0.01)
    monkeypatch.setattr(replication_course, "START_S", 0.0)
    monkeypatch.setattr(truth, "START_S", 0.0)


@asynccontextmanager
async def replication(
    script: Script, file: File, child_answers: Callable[[], Awaitable[bool]] | None = None
) -> AsyncIterator[Replication]:
    async def answers() -> bool:
        return True

    settings = Settings(replica_probe_s=1.0)
    made = Replication(
        settings, script, "s3://b/p", lambda: {"main": file}, child_answers or answers, asyncio.Event()
    )
    made.start()
    yield made
    await made.stop()


async def state(made: Replication, wanted: str, reason: str = "") -> None:
    await until(
        lambda: made.replicas()[0].state == wanted and reason in made.replicas()[0].reason,
        f"{wanted}; it is {made.replicas()[0]}",
    )


async def test_a_heartbeat_that_arrives_makes_a_file_replicating() -> None:
    script, file = Script(), File()
    began_ms = time.time_ns() // 1_000_000
    async with replication(script, file) as made:
        assert made.replicas()[0].state == STARTING
        await state(made, REPLICATING)

        assert file.beats
        assert script.syncs == [PATH]
        assert made.replicas()[0].proven_ms >= began_ms
        assert made.report().heartbeats == 1
        assert together(made.report().health()).status == OK


async def test_one_failure_lags_and_two_stall_and_litestream_is_started_anew() -> None:
    script, file = Script(), File()
    async with replication(script, file) as made:
        await state(made, REPLICATING)
        script.outcome = ERROR

        assert not await made.sync("main")
        await state(made, STALLED, "missing ltx")
        await until(lambda: script.restarts, "a restart")

        assert len(script.restarts) == 1
        assert together(made.report().health()).status == DEGRADED


async def test_a_single_failure_is_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "FAILED_PROBE_S", 60.0)
    script, file = Script(), File()
    async with replication(script, file) as made:
        await state(made, REPLICATING)
        script.outcome = ERROR
        made._due.set()

        await state(made, LAGGING, "missing ltx")

        assert together(made.report().health()).status == OK


async def test_a_replica_that_does_not_answer_is_down_and_no_reason_for_a_restart() -> None:
    script, file = Script(), File()
    script.outcome, script.trouble_text = ERROR, "403 Forbidden"
    async with replication(script, file) as made:
        await state(made, DOWN, "403 Forbidden")
        await until(lambda: len(script.syncs) > 5, "more tries")

        assert not script.restarts


async def test_a_litestream_that_does_not_run_is_down_with_its_reason() -> None:
    script, file = Script(), File()
    script.outcome = SyncOutcome(ok=False, reason="no litestream")
    script.status = LitestreamStatus(running=False, reason="There is no litestream beside python")
    async with replication(script, file) as made:
        made._due.set()
        await state(made, DOWN, "There is no litestream")

        assert not script.restarts


async def test_who_must_not_copy_is_refused_with_the_holder() -> None:
    script, file = Script(), File()
    script.outcome, script.refusal = ERROR, "process 7 on bert replicates to this place"
    async with replication(script, file) as made:
        await state(made, REFUSED, "bert")

        assert not script.restarts


async def test_it_heals_by_the_first_proof() -> None:
    script, file = Script(), File()
    script.outcome, script.trouble_text = ERROR, "connection refused"
    async with replication(script, file) as made:
        await state(made, DOWN)
        script.outcome, script.trouble_text = SyncOutcome(ok=True, status="synced"), ""

        await state(made, REPLICATING)

        assert not made.replicas()[0].reason


async def test_a_file_that_takes_no_heartbeat_is_an_alarm_though_syncs_answer() -> None:
    script, file = Script(), File()
    async with replication(script, file) as made:
        await state(made, REPLICATING)
        file.failure = "database or disk is full"
        made._due.set()

        await state(made, STALLED, "disk is full")
        assert await made.sync("main")
        assert made.replicas()[0].state == STALLED
        assert not script.restarts

        file.failure = ""
        await state(made, REPLICATING)


async def test_a_slow_litestream_that_answers_is_left_to_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "SYNC_TIMEOUT_S", 0.0)
    script, file = Script(), File()
    script.outcome = SyncOutcome(ok=False, reason="/sync was not answered within 5 s")
    async with replication(script, file) as made:
        await state(made, STALLED)
        await until(lambda: len(script.syncs) > 5, "more tries")

        assert not script.restarts


async def test_a_litestream_that_is_mute_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "SYNC_TIMEOUT_S", 0.0)

    async def mute() -> bool:
        return False

    script, file = Script(), File()
    script.outcome = SyncOutcome(ok=False, reason="/sync was not answered within 5 s")
    async with replication(script, file, mute):
        await until(lambda: script.restarts, "a restart")


async def test_at_most_one_sync_of_a_file_is_under_way_and_serves_who_asked_before_it() -> None:
    script, file = Script(), File()
    async with replication(script, file) as made:
        await state(made, REPLICATING)
        script.slow_s, before = 0.02, len(script.syncs)

        answers = await asyncio.gather(*(made.sync("main") for _ in range(20)))

        assert all(answers)
        assert script.most_under_way == 1
        assert len(script.syncs) - before <= 3


async def test_a_file_that_is_not_open_is_never_proven() -> None:
    async with replication(Script(), File()) as made:
        assert not await made.sync("luna")


async def test_a_part_that_breaks_begins_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(truth, "BROKEN_PAUSE_S", 0.0)

    class Breaking(Script):
        runs = 0

        async def run(self) -> None:
            self.runs += 1
            if self.runs == 1:
                raise ValueError("what nobody thought of")
            await super().run()

    script = Breaking()
    async with replication(script, File()):
        await until(lambda: script.runs == 2, "a second run")

    assert "a part of replication broke" in caplog.text


async def test_a_file_that_is_let_go_is_copied_to_its_end_first_and_proven_anew_afterwards() -> None:
    script, file = Script(), File()
    async with replication(script, file) as made:
        await state(made, REPLICATING)
        await made.let_go("main")
        assert len(script.syncs) == 2
        assert script.let_go_of == [PATH]
        assert made.replicas()[0].proven_ms == 0


async def test_a_file_that_is_being_copied_whole_is_no_reason_for_a_restart() -> None:
    script, file = Script(), File()
    script.status = LitestreamStatus(running=True, pid=7, copying=(str(PATH),))
    script.outcome = SyncOutcome(ok=False, reason="a whole new copy is being made")
    async with replication(script, file) as made:
        await state(made, STALLED)
        await until(lambda: len(script.syncs) > 5, "more proofs")
        assert script.restarts == []
