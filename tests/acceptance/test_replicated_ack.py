"""The replicated ack on the real store and the real Litestream: what it says is what a restore finds."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chat.broker import Ephemeral, MemoryBroker
from chat.commands import SendMessage
from chat.models import User
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Sent
from chat.watermark import Watermark
from chat.writer import Writer
from tests.faults.stored import check_integrity, read_rows
from tests.support.litestream import Litestream
from tests.support.stores import OpenStore
from tests.support.waiting import TIMEOUT_S, until

TIMEOUT_OF_ACK_S = 1.0
ACKS = 40
RESTORES = 4
SENDERS = 8


class Copied:
    """A store with its writer, its watermark and the Litestream that copies it."""

    def __init__(self, opened: OpenStore, litestream: Litestream, settings: Settings) -> None:
        self.opened = opened
        self.litestream = litestream
        self.notices: list[Ephemeral] = []
        observer, broker = NullObserver(), MemoryBroker()
        broker.listen(self)
        store = opened.store
        self.watermark = Watermark("main", store, litestream, broker, observer, settings)
        self.writer = Writer(store, broker, observer, settings, lambda: None, self.watermark.note)
        self.tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self.watermark.run())]

    def committed(self, batch: Any) -> None:
        """Hear of what was committed."""

    def ephemeral(self, notice: Ephemeral) -> None:
        self.notices.append(notice)

    async def send(self, conversation: str, key: str, durability: Any = "replicated") -> Sent:
        command = SendMessage(conversation_id=conversation, client_message_id=key, content=key)
        answer = self.writer.submit(self.opened.drafter.draft(User("alice"), command))
        sent = await (self.watermark.hold(answer) if durability == "replicated" else answer)
        assert isinstance(sent, Sent)
        return sent

    def restored(self, output: Path) -> dict[str, set[str]]:
        """Restore what is on the replica now, and return the keys of each conversation."""
        self.litestream.restore("main", output)
        assert check_integrity(output) == "ok"
        return {name: {row.key for row in rows} for name, rows in read_rows(output).items()}

    async def close(self) -> None:
        self.writer.close()
        self.tasks[1].cancel()
        await asyncio.wait(self.tasks)


@asynccontextmanager
async def copied(folder: Path) -> AsyncIterator[Copied]:
    settings = Settings(replicated_timeout_s=TIMEOUT_OF_ACK_S, watermark_s=0.1, wal_autocheckpoint_pages=0)
    async with (
        OpenStore(folder / "main.db", settings) as opened,
        Litestream(folder, {"main": opened.path}) as litestream,
    ):
        one = Copied(opened, litestream, settings)
        yield one
        await one.close()


async def test_whatever_was_acked_as_replicated_is_in_a_restore_taken_then(tmp_path: Path) -> None:
    async with copied(tmp_path) as here:
        conversation = await here.opened.create("alice")
        acked: set[str] = set()
        stop = asyncio.Event()

        async def talk(name: int) -> None:
            number = 0
            while not stop.is_set():
                key, number = f"{name} says {number}", number + 1
                if (await here.send(conversation, key)).durability == "replicated":
                    acked.add(key)

        talking = [asyncio.create_task(talk(name)) for name in range(SENDERS)]
        for number in range(RESTORES):
            wanted = len(acked) + ACKS
            await until(lambda wanted=wanted: len(acked) >= wanted, "acks")  # type: ignore[misc]
            promised = set(acked)
            found = await asyncio.to_thread(here.restored, tmp_path / f"restored{number}.db")
            assert promised - found[conversation] == set()
        stop.set()
        await asyncio.gather(*talking)


async def test_without_the_replica_an_ack_says_committed_in_time_and_the_watermark_moves_later(
    tmp_path: Path,
) -> None:
    async with copied(tmp_path) as here:
        conversation = await here.opened.create("alice")
        assert (await here.send(conversation, "first")).durability == "replicated"
        here.litestream.send_signal(signal.SIGSTOP)
        frozen = [here.send(conversation, "frozen") for _ in range(3)]
        started_s = asyncio.get_running_loop().time()
        assert {sent.durability for sent in await asyncio.gather(*frozen)} == {"committed"}
        assert asyncio.get_running_loop().time() - started_s < 2 * TIMEOUT_OF_ACK_S
        epoch = here.opened.epoch
        assert here.watermark.seq_of(conversation, epoch) == 1
        here.litestream.send_signal(signal.SIGCONT)
        await until(lambda: here.watermark.seq_of(conversation, epoch) == 2, "the watermark")
        await here.litestream.kill()
        gone = await here.send(conversation, "gone")
        assert (gone.durability, here.watermark.seq_of(conversation, epoch)) == ("committed", 2)
        await here.litestream.start()
        again = await here.send(conversation, "gone")
        assert (again.duplicate, again.durability) == (True, "replicated")
        assert "gone" in here.restored(tmp_path / "restored.db")[conversation]
        assert here.notices[-1] == Ephemeral(
            conversation, "replicated", epoch=epoch, replicated_seq=again.seq
        )


async def test_a_plain_ack_does_not_wait_while_the_replica_is_frozen(tmp_path: Path) -> None:
    async with copied(tmp_path) as here:
        conversation = await here.opened.create("alice")
        here.litestream.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(here.send(conversation, "patient"))
        plain = await asyncio.wait_for(here.send(conversation, "plain", "committed"), TIMEOUT_S)
        assert (plain.durability, waiting.done()) == ("committed", False)
        assert (await waiting).durability == "committed"
        here.litestream.send_signal(signal.SIGCONT)
