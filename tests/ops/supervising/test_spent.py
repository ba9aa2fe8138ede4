"""Spent pieces: what is on the replica twice is not kept beside the database, and nothing is missed by it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.supervising import config
from ops.supervising.child import LitestreamChild
from ops.supervising.spent import SpentPieces
from tests.ops.litestream_world import World
from tests.support.waiting import until


def merged(last: int, db: str = "main.db") -> dict[str, object]:
    return {
        "msg": "compaction complete",
        "level": 1,
        "db": db,
        "txid": {"min": f"{1:016x}", "max": f"{last:016x}"},
    }


def pieces_of(folder: Path, *numbers: int, name: str = "main") -> Callable[[], list[int]]:
    """Lay pieces of one transaction each beside a database; return what tells which are there."""
    pieces = folder / f".{name}.db-litestream" / "ltx" / "0"
    pieces.mkdir(parents=True)
    for number in numbers:
        (pieces / f"{number:016x}-{number:016x}.ltx").touch()
    return lambda: sorted(int(piece.name[:16], 16) for piece in pieces.glob("*.ltx"))


def test_merged_pieces_go_and_the_others_stay(tmp_path: Path) -> None:
    main, other = pieces_of(tmp_path, 9, 10, 11, 12), pieces_of(tmp_path, 9, 10, name="other")
    spent = SpentPieces(tmp_path)

    spent.hear(merged(11))
    assert spent.due
    spent.remove()

    assert (main(), other(), spent.due) == ([12], [9, 10], False)


def test_the_newest_piece_stays_though_it_is_merged(tmp_path: Path) -> None:
    left = pieces_of(tmp_path, 1, 2, 3)
    spent = SpentPieces(tmp_path)
    spent.hear(merged(3))
    spent.remove()
    assert left() == [3]


@pytest.mark.parametrize(
    "line",
    [
        {"msg": "snapshot complete", "db": "main.db", "txid": f"{3:016x}"},
        merged(3) | {"level": 2},
        merged(3) | {"txid": "3"},
        merged(3) | {"txid": {"min": "1", "max": "not a number"}},
        {"msg": "compaction complete", "level": 1},
    ],
)
def test_any_other_line_removes_nothing(tmp_path: Path, line: dict[str, object]) -> None:
    left = pieces_of(tmp_path, 1, 2, 3)
    spent = SpentPieces(tmp_path)
    spent.hear(line)
    spent.remove()
    assert left() == [1, 2, 3]


def test_what_cannot_be_removed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".main.db-litestream" / "ltx").mkdir(parents=True)
    (tmp_path / ".main.db-litestream" / "ltx" / "0").touch()
    spent = SpentPieces(tmp_path)
    spent.hear(merged(3))
    spent.hear(merged(3, "gone.db"))
    with caplog.at_level(logging.WARNING, "palaver.litestream"):
        spent.remove()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "spent pieces of main.db are still there"
    ]


async def test_what_a_process_that_ended_says_late_removes_nothing_of_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening: list[Callable[[dict[str, object]], None]] = []
    start = LitestreamChild.start

    async def listened(*given: Any) -> LitestreamChild:
        listening.append(given[-1])
        return await start(*given)

    monkeypatch.setattr(LitestreamChild, "start", listened)
    world = World(tmp_path / "data")
    world.databases.write()
    async with world.supervised() as litestream:
        await until(lambda: litestream.status.running, "a process")
        await litestream.restart("to begin to count anew")
        await until(lambda: litestream.status.restarts, "another process")
        left = pieces_of(tmp_path / "data", 1, 2, 3, 4, 5, name="other")
        ended, running = listening
        running(merged(2, "other.db"))
        ended(merged(5, "other.db"))
        await until(lambda: left() != [1, 2, 3, 4, 5], "some to go")
    assert left() == [3, 4, 5]


async def test_a_real_litestream_goes_on_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "LEVELS", ("1s", "5m", "1h"))
    world = World(tmp_path / "data")
    pieces = tmp_path / "data" / ".main.db-litestream" / "ltx" / "0"
    written = []
    world.databases.write()
    async with world.supervised() as litestream:
        await world.proven()
        for number in range(30):
            written.append(str(number))
            world.databases.write("main", written[-1])
            await litestream.sync(world.databases.path(), 10)
        await until(lambda: len(list(pieces.glob("*.ltx"))) == 1, "one piece left")
        assert world.restored("main", tmp_path / "restored.db") == written
        await litestream.restart("to begin from what is left")
        await until(lambda: litestream.status.restarts, "another process")
        written.append("after it")
        world.databases.write("main", written[-1])
        await asyncio.wait_for(world.proven(), 10)
        assert world.restored("main", tmp_path / "restored.db") == written
