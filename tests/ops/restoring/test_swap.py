"""A restore in place that is killed after any step: whoever comes next finishes or undoes it, all files or none."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ops.restoring import disk, intent, locks, swap
from ops.restoring.inplace import NotWanted, Outcome, restore_in_place
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from tests.ops.restoring.replicated import Replicated, place_in, query
from tests.support.server import PROJECT
from tests.support.stores import OpenStore

FILES = ("main.db", "persona_luna.db")
MESSAGES = "SELECT count(*) FROM messages"
KINDS = "SELECT kind FROM generations ORDER BY number"
COPIED, SERVED = 2, 3
STEPS_MIN = 10


@dataclass(frozen=True)
class Folder:
    """A data folder whose files are one message ahead of their copies, each with a WAL."""

    place: Place

    def messages(self) -> list[int]:
        """Count the messages of each file."""
        return [int(str(query(self.place.data / file, MESSAGES)[0][0])) for file in FILES]

    def kinds(self) -> list[object]:
        """Return the kind of each file's newest generation."""
        return [query(self.place.data / file, KINDS)[-1][0] for file in FILES]

    def twin(self, data: Path) -> Folder:
        """Copy everything."""
        shutil.copytree(self.place.data, data)
        return Folder(Place(data=data))

    def pending(self) -> bool:
        """Tell whether a swap was begun and not ended."""
        return (self.place.data / intent.NAME).exists()

    def restore(self) -> Outcome:
        """Restore the newest copies."""
        return restore_in_place(self.place, FILES, None, lambda _: True, cause="a test")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def left(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Two files, copied, and written to once more; never changed by a test."""
    place = place_in(tmp_path_factory.mktemp("swap"))
    async with OpenStore(place.data / FILES[0]) as main, OpenStore(place.data / FILES[1]) as luna:
        stores = (main, luna)
        conversations = [await each.create("alice", "bob") for each in stores]
        with Replicated(place, FILES):
            for each, conversation in zip(stores, conversations, strict=True):
                for number in range(COPIED):
                    await each.send("alice", conversation, f"copied {number}")
        for each, conversation in zip(stores, conversations, strict=True):
            await each.send("alice", conversation, "after the last copy")
        (place.data / "main.db.noted").write_text("of the old file")
        # As a killed server leaves them: with their WAL.
        return Folder(place).twin(place.data.with_name("left"))


@pytest.fixture(scope="module")
def killed_once(left: Folder) -> list[Path]:
    """The same folder after a restore that was killed: after its first step, its second, and so on; one was not."""
    command = [sys.executable, "-m", "tests.ops.restoring.killed", str(left.place.data), *FILES]
    subprocess.run(command, cwd=PROJECT, check=True)
    folders = left.place.data.parent.glob("left-*")
    return sorted(folders, key=lambda path: int(path.name.split("-")[1]))


@pytest.fixture
def folder(left: Folder, tmp_path: Path) -> Folder:
    """The folder as it was left, for one test."""
    return left.twin(tmp_path / "data")


@pytest.fixture
def killed(killed_once: list[Path], tmp_path: Path) -> list[Folder]:
    """The folders that killed restores left, for one test."""
    return [Folder(Place(data=data)).twin(tmp_path / data.name) for data in killed_once]


async def test_a_restore_that_is_killed_after_any_step_is_finished_by_the_next_start(
    killed: list[Folder],
) -> None:
    begun = [each.pending() for each in killed]
    assert len(killed) > STEPS_MIN
    assert set(begun) == {True, False}
    for number, (each, pending) in enumerate(zip(killed, begun, strict=True)):
        assert bool(swap.settle(each.place.data)) is pending
        done = number >= begun.index(True)
        assert each.messages() == ([COPIED, COPIED] if done else [SERVED, SERVED])
        assert each.kinds() == (["restore", "restore"] if done else ["start", "start"])
        assert (each.place.data / "main.db.noted").exists() is not done


async def test_a_restore_that_is_killed_before_its_swap_is_done_by_the_same_command(
    killed: list[Folder],
) -> None:
    begun = [each.pending() for each in killed]
    for each in killed[: begun.index(True)]:
        each.restore()
        assert each.messages() == [COPIED, COPIED]
        assert [query(each.place.data / file, KINDS) for file in FILES] == [[("start",), ("restore",)]] * 2
        assert not list(each.place.restores.glob("staging-*"))


async def test_an_intent_that_may_not_last_is_taken_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = disk.flush_folder

    def failing(path: Path) -> None:
        if (path / intent.NAME).exists():
            raise OSError(errno.EIO, "the disk failed")
        flush(path)

    monkeypatch.setattr(disk, "flush_folder", failing)
    with pytest.raises(OSError, match="the disk failed"):
        folder.restore()
    assert not folder.pending()
    assert (folder.messages(), folder.kinds()) == ([SERVED, SERVED], ["start", "start"])


async def test_a_copy_that_a_server_is_putting_in_place_is_left_alone(killed: list[Folder]) -> None:
    begun = next(each for each in killed if each.pending())
    waiting = sorted(begun.place.restores.rglob("*.marked"))
    with pytest.raises(Refused, match="has not finished"):
        restore_in_place(
            begun.place, FILES[1:], None, lambda _: True, cause="a test", hand_over=lambda folder: folder
        )
    assert sorted(begun.place.restores.rglob("*.marked")) == waiting != []


async def test_a_swap_whose_copy_is_lost_is_undone_whole(killed: list[Folder]) -> None:
    undone = 0
    for each in killed:
        waiting = sorted(each.place.restores.glob("staging-*/*.marked"))
        if each.pending() and waiting:
            waiting[-1].unlink()
            assert "in place again" in swap.settle(each.place.data)
            assert (each.messages(), each.kinds()) == ([SERVED, SERVED], ["start", "start"])
            assert (each.place.data / "main.db.noted").read_text() == "of the old file"
            undone += 1
    assert undone > 1


async def test_a_swap_that_somebody_wrote_into_is_refused(killed: list[Folder]) -> None:
    between = next(each for each in killed if each.pending() and not (each.place.data / "main.db").exists())
    (between.place.data / "main.db").write_bytes(b"made by somebody")
    with pytest.raises(Refused, match="something is already"):
        swap.settle(between.place.data)


async def test_nothing_is_settled_beside_a_process_that_holds_the_files(killed: list[Folder]) -> None:
    pending = next(each for each in killed if each.pending())
    with locks.held(pending.place.data, FILES), pytest.raises(Refused, match="is served by the process"):
        swap.settle(pending.place.data)
    assert pending.pending()


async def test_what_was_there_before_is_kept(folder: Folder) -> None:
    outcome = restore_in_place(folder.place, FILES, None, lambda _: True, cause="a test", replays="refuse")
    assert query(Path(outcome.old) / "main.db", MESSAGES) == [(SERVED,)]
    assert [loss.messages for loss in outcome.losses] == [1, 1]
    assert query(folder.place.data / "main.db", "SELECT replays FROM generations")[-1] == ("refuse",)
    assert not list(folder.place.restores.glob("staging-*"))


async def test_nothing_is_touched_without_consent(folder: Folder) -> None:
    with pytest.raises(NotWanted):
        restore_in_place(folder.place, FILES, None, lambda _: False, cause="a test")
    assert (folder.messages(), folder.kinds()) == ([SERVED, SERVED], ["start", "start"])
    assert not list(folder.place.restores.glob("*"))
