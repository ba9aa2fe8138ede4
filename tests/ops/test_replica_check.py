"""A replica that lost some of its pieces: it is told, and a whole new copy is made where the newest was lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat.settings import Settings
from ops import replica_check, replica_look
from ops.replica_check import ReplicaCheck
from ops.replica_look import Seen, look_apart
from ops.restoring.refusal import Refused
from ops.restoring.windows import Hole
from ops.supervising.place import LitestreamPlace
from tests.ops.litestream_world import World
from tests.support.ports import LOOPBACK
from tests.support.waiting import until, until_awaited

HOLE = Hole(after_ms=1000, until_ms=2000, first=4, last=5)
BROKEN = Seen(broken="Copies of main.db are missing: transactions 4 to 5.", holes=(HOLE,))
PAST = Seen(holes=(HOLE,))


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("FIRST_AFTER_S", "CONFIRM_AFTER_S", "UNWELL_EVERY_S"):
        monkeypatch.setattr(replica_check, pause, 0.01)


class Replica:
    """What is seen, look after look; the last of it again and again. None: no answer."""

    def __init__(self, folder: Path, *seen: Seen | None, **settings: object) -> None:
        self.settings = Settings(data=str(folder), **settings)  # type: ignore[arg-type]
        self.seen: list[Seen | None] = list(seen)
        self.looks = 0
        self.files: Sequence[Path] = (folder / "main.db",)
        self.check = ReplicaCheck(self.settings, lambda: self.files, self._look)

    async def _look(self, settings: Settings, file: str) -> Seen:
        self.looks += 1
        seen = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if seen is None:
            raise Refused("no answer")
        return seen

    @property
    def wanted(self) -> list[str]:
        return list(LitestreamPlace(self.settings).wanted_whole())


async def test_a_copy_that_cannot_be_restored_is_told_and_made_anew(tmp_path: Path) -> None:
    replica = Replica(tmp_path, BROKEN)
    assert list(replica.check.health()) == []
    await replica.check.check()
    (part,) = replica.check.health()
    assert (part.part, part.ok, part.critical) == ("copies of main", False, False)
    assert "the newest copy cannot be restored" in part.reason
    assert part.since_ms
    assert replica.wanted == ["main.db"]


async def test_a_whole_copy_that_mends_nothing_is_not_made_again_at_once(tmp_path: Path) -> None:
    replica = Replica(tmp_path, BROKEN)
    await replica.check.check()
    LitestreamPlace(replica.settings).wanted_whole()["main.db"].unlink()
    await replica.check.check()
    assert replica.wanted == []


async def test_a_hole_in_the_past_is_told_and_no_copy_brings_it_back(tmp_path: Path) -> None:
    replica = Replica(tmp_path, PAST)
    await replica.check.check()
    (part,) = replica.check.health()
    assert not part.ok
    assert "newer ones can" in part.reason
    assert replica.wanted == []


async def test_what_is_missing_for_a_moment_is_not_told(tmp_path: Path) -> None:
    replica = Replica(tmp_path, BROKEN, Seen())
    await replica.check.check()
    assert [part.ok for part in replica.check.health()] == [True]
    assert replica.wanted == []


async def test_a_replica_that_does_not_answer_changes_no_verdict(tmp_path: Path) -> None:
    replica = Replica(tmp_path, PAST, PAST, None)
    await replica.check.check()
    before = list(replica.check.health())
    await replica.check.check()
    assert list(replica.check.health()) == before


async def test_a_file_that_is_not_served_any_more_is_not_told(tmp_path: Path) -> None:
    replica = Replica(tmp_path, PAST)
    await replica.check.check()
    replica.files = ()
    await replica.check.check()
    assert list(replica.check.health()) == []


async def test_while_something_is_missing_it_looks_more_often(tmp_path: Path) -> None:
    replica = Replica(tmp_path, PAST, PAST, BROKEN, Seen())
    running = asyncio.create_task(replica.check.run())
    await until(lambda: [part.ok for part in replica.check.health()] == [True], "a whole copy")
    running.cancel()


@pytest.mark.parametrize("settings", [{"replica": "off"}, {"replica_check_h": 0}])
async def test_nobody_looks_where_it_is_switched_off(tmp_path: Path, settings: dict[str, object]) -> None:
    replica = Replica(tmp_path, BROKEN, **settings)
    await replica.check.run()
    assert replica.looks == 0


def test_a_stop_waits_for_no_store_that_hangs_and_leaves_no_litestream_behind(tmp_path: Path) -> None:
    began_s = time.monotonic()
    asyncio.run(stopped_while_the_store_hangs(tmp_path))  # which joins every thread that is still at work
    assert time.monotonic() - began_s < replica_look.ASK_TIMEOUT_S / 2


async def stopped_while_the_store_hangs(folder: Path) -> None:
    """Begin a check of a store that takes connections and answers nothing, and cancel it."""
    connected, left = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass
        left.set()
        writer.close()

    async with await asyncio.start_server(hang, LOOPBACK, 0) as store:
        port = store.sockets[0].getsockname()[1]
        settings = Settings(
            data=str(folder),
            replica="s3://palaver/chat",
            replica_endpoint=f"http://{LOOPBACK}:{port}",
            replica_region="us-east-1",
            replica_access_key_id="a-key",
            replica_secret_access_key="a-secret",
        )
        checking = asyncio.create_task(ReplicaCheck(settings, lambda: [folder / "main.db"]).check())
        await asyncio.wait_for(connected.wait(), 30)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
        await asyncio.wait_for(left.wait(), 5)


async def test_a_replica_that_cannot_be_read_is_refused_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be run|no program of that name"):
        await look_apart(Settings(data=str(tmp_path), litestream="no-such-program"), "main.db")


async def test_a_real_replica_that_lost_a_piece_can_be_restored_again(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "zero")
    check = ReplicaCheck(world.settings, lambda: [world.databases.path()])
    pieces = tmp_path / "data/replica/main/ltx"
    async with world.supervised():
        # A second after its start Litestream gathers what there is into larger pieces; later ones come much later.
        await until(lambda: any(pieces.glob("9/*.ltx")) and any(pieces.glob("1/*.ltx")), "larger pieces")
        for text in ("one", "two", "three", "four", "five"):
            world.databases.write("main", text)
            await world.proven()
        await check.check()
        assert [part.ok for part in check.health()] == [True]
        lose(pieces)
        await check.check()
        assert [(seen.broken != "", len(seen.holes)) for seen in check.seen.values()] == [(True, 1)]

        async def mended() -> bool:
            return not (await look_apart(world.settings, "main.db")).broken

        await until_awaited(mended, "a whole new copy", 30)
        world.databases.write("main", "six")
        await world.proven()
        await check.check()
        assert [(seen.broken, len(seen.holes)) for seen in check.seen.values()] == [("", 1)]
        rows = world.restored("main", tmp_path / "restored.db")
        assert rows == ["zero", "one", "two", "three", "four", "five", "six"]


def lose(pieces: Path) -> None:
    """Take away what holds the last transaction but one, gathered into a larger piece or not."""
    found = {piece: [int(number, 16) for number in piece.stem.split("-")] for piece in pieces.glob("*/*.ltx")}
    lost = max(last for _, last in found.values()) - 1
    for piece, (first, last) in found.items():
        if first <= lost <= last:
            piece.unlink()
