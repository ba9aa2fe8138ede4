"""People who talk on while machines are lost under them: some want every message on the replica, some do not wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from tests.faults.follower import Follower
from tests.faults.machine import Machine
from tests.faults.people import Person, SocketDoor
from tests.faults.stored import check_integrity, read_rows
from tests.faults.survivors import SureDoor, SurvivalLedger
from tests.support.rest import RestClient
from tests.support.waiting import until, until_awaited

PEOPLE = 12
CONVERSATIONS = 3
PLAIN_EVERY = 4
"""Every fourth person of a conversation waits for no replica; every second shows `seen` when it comes back."""
CALM_TIMEOUT_S = 120.0


class Survival:
    """The people, their ledger, and the machine under them. The same `seed` gives the same random choices."""

    def __init__(self, machine: Machine, seed: int, plain_every: int = PLAIN_EVERY) -> None:
        self.machine = machine
        self._plain_every = plain_every
        self.chance = random.Random(seed)
        self.ledger = SurvivalLedger()
        self.people: list[Person] = []
        self.doors: list[SocketDoor] = []
        self._stop = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Create the conversations and let everybody talk; return when a first copy is there and people are heard."""
        names = [f"person{number:02}" for number in range(PEOPLE)]
        tokens = self.machine.server.tokens(names)
        for first in range(CONVERSATIONS):
            members = names[first::CONVERSATIONS]
            async with RestClient(self.machine.server.url, tokens[members[0]]) as owner:
                conversation = await owner.create_conversation(*members[1:])
            for position, name in enumerate(members):
                self._add(name, tokens[name], conversation, position)
        self._talk = asyncio.create_task(self._talk_all())
        await self._while_talking(lambda: bool(self.machine.copies()), "a first copy")
        await self.heard(PEOPLE)

    async def heard(self, acks: int) -> None:
        """Wait until `acks` more messages were acked: as replicated, if anybody wants that."""
        heard = (
            self.ledger.acks if any(isinstance(door, SureDoor) for door in self.doors) else self.ledger.plain
        )
        wanted = len(heard) + acks
        await self._while_talking(lambda: len(heard) >= wanted, f"{acks} more acks")

    async def lose_machine(self) -> None:
        """Lose everything but S3 at this moment, hold what S3 has against the ledger, and start from it."""
        lost_s = time.monotonic()
        await self.machine.lose()
        await self._while_talking(lambda: not any(door.connected for door in self.doors), "all to notice")
        await self.machine.rebuild()
        self.ledger.lost(read_rows(self.machine.database), lost_s)
        await self.machine.server.launch()

    async def end(self) -> None:
        """Let everybody finish and catch up, then check everything in the file."""
        self._stop.set()
        assert self._talk is not None
        await asyncio.wait_for(self._talk, CALM_TIMEOUT_S)
        stored = read_rows(self.machine.database)
        for door in self.doors:
            await until_awaited(door.attended, "a last connection")
        await until(
            lambda: all(
                door.follower.offset == len(stored[door.follower.conversation]) for door in self.doors
            ),
            "everybody at the top",
        )
        self.ledger.check(stored)
        self.ledger.check_complete(stored)

    async def leave(self) -> None:
        """Stop everybody, whatever they are doing."""
        self._stop.set()
        if self._talk is not None:
            self._talk.cancel()
            await asyncio.gather(self._talk, return_exceptions=True)
        await asyncio.gather(*(person.door.close() for person in self.people))

    def verdict(self) -> list[str]:
        """Return the first broken promises, none where all were kept; the file must be sound."""
        broken = self.ledger.violations[:10]
        sound = check_integrity(self.machine.database)
        return broken if sound == "ok" else [*broken, sound]

    def report(self) -> str:
        """Say in two lines what it amounted to, and what the losses took of the plain acks."""
        ledger, losses = self.ledger, self.ledger.losses
        retries = sum(person.retries for person in self.people)
        ages = ", ".join(f"{loss.acks} of the last {loss.age_s:.2f} s" for loss in losses)
        times = ", ".join(f"{restore_s:.2f}" for restore_s in self.machine.restore_s)
        return (
            f"{len(ledger.acks)} replicated acks ({ledger.duplicates} duplicates, {retries} retries), "
            f"{len(losses)} machines lost, {len(ledger.violations)} violations; restored in {times} s\n"
            f"plain acks lost: {ages}"
        )

    def _add(self, name: str, token: str, conversation: str, position: int) -> None:
        follower = Follower(name, conversation, self.ledger, shows_seen=position % 2 == 0)
        kind = SocketDoor if position % self._plain_every == self._plain_every - 1 else SureDoor
        door = kind(self.machine.server.ws_url, token, follower)
        self.doors.append(door)
        chance = random.Random(self.chance.random())
        self.people.append(Person(name, conversation, door, self.ledger, chance, edited=0.0))

    async def _talk_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for person in self.people:
                group.create_task(person.talk(self._stop))

    async def _while_talking(self, look: Callable[[], bool], what: str) -> None:
        assert self._talk is not None
        talk = self._talk
        try:
            await until(lambda: talk.done() or look(), what, CALM_TIMEOUT_S)
        except TimeoutError as error:
            troubles = {person.last_trouble for person in self.people}
            raise TimeoutError(f"{error}; {troubles}\n{self.machine.server.tail()}") from error
        if talk.done():
            await talk
