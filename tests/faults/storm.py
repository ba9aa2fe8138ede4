"""A storm: many people talking at once in a few conversations, while a test breaks something."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from tests.faults.follower import Follower
from tests.faults.ledger import MESSAGE, Ledger
from tests.faults.people import Person, RestDoor, SocketDoor
from tests.faults.stored import check_integrity, read_rows
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.waiting import until, until_awaited

PEOPLE = 50
FEW = 10
"""Enough where it matters what fails, and not how many are in the middle of something."""
CONVERSATIONS = 5
REST_EVERY = 5
"""Every fifth person sends over REST; of the others every second shows `seen` when it comes back."""
CALM_TIMEOUT_S = 120.0
QUIET_S = 0.2


class Storm:
    """`count` people, their ledger and the server under them. The same `seed` gives the same random choices."""

    def __init__(self, server: Server, seed: int, count: int = PEOPLE) -> None:
        self.server = server
        self.count = count
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.people: list[Person] = []
        self.followers: list[Follower] = []
        self.sockets: list[SocketDoor] = []
        self._conversations: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Create the conversations and let everybody talk; return when each has been heard once."""
        await self._gather_people()
        self._talk = asyncio.create_task(self._talk_all())
        await self.heard(self.count)

    async def heard(self, acks: int) -> None:
        """Wait until `acks` more drafts were acknowledged."""
        wanted = len(self.ledger.acks) + acks
        await self._while_talking(lambda: len(self.ledger.acks) >= wanted, f"{acks} more acknowledgements")

    async def all_back(self) -> None:
        """Wait until every socket stands again and everybody has been heard once more."""
        await self._while_talking(
            lambda: all(door.connected for door in self.sockets), "all sockets to be back"
        )
        await self.heard(self.count)

    async def quiet(self) -> None:
        """Wait until no draft is acknowledged for a moment."""
        await until_awaited(self._was_quiet, "nothing to be acknowledged any more")

    async def all_gone(self) -> None:
        """Wait until every socket has ended and what it brought has been read."""
        await self._while_talking(
            lambda: not any(door.connected for door in self.sockets), "all sockets to end"
        )

    async def end(self) -> None:
        """Let everybody finish and catch up, then check everything: over REST, and in the file."""
        self._stop.set()
        assert self._talk is not None
        await asyncio.wait_for(self._talk, CALM_TIMEOUT_S)
        await self._catch_up()
        await self._check_rest()
        stored = read_rows(self.database)
        self.ledger.check(stored)
        self.ledger.check_complete(stored)
        await self.leave()

    async def leave(self) -> None:
        """Stop everybody, whatever they are doing."""
        self._stop.set()
        if self._talk is not None:
            self._talk.cancel()
            await asyncio.gather(self._talk, return_exceptions=True)
        await asyncio.gather(*(person.door.close() for person in self.people))

    def check(self) -> None:
        """Hold what was acknowledged and delivered so far against the file as it is now."""
        self.ledger.check(read_rows(self.database))

    def verdict(self) -> list[str]:
        """Return the first broken promises, none where all were kept; the file must be sound."""
        broken = self.ledger.violations[:10]
        sound = check_integrity(self.database)
        return broken if sound == "ok" else [*broken, sound]

    def report(self) -> str:
        """Say in a line what the storm amounted to."""
        retries = sum(person.retries for person in self.people)
        recoveries = sum(follower.recoveries for follower in self.followers)
        ledger = self.ledger
        return (
            f"{len(ledger.acks)} acknowledged ({ledger.duplicates} as duplicates, {retries} retries), "
            f"{ledger.deliveries} deliveries, {recoveries} recoveries, {len(ledger.violations)} violations"
        )

    @property
    def conversations(self) -> list[str]:
        """Return the conversations; person00 is in the first."""
        return list(self._conversations)

    @property
    def database(self) -> Path:
        """Return the database file."""
        return self.server.data_dir / "main.db"

    async def _gather_people(self) -> None:
        names = [f"person{number:02}" for number in range(self.count)]
        tokens = self.server.tokens(names)
        for first in range(CONVERSATIONS):
            members = names[first::CONVERSATIONS]
            async with RestClient(self.server.url, tokens[members[0]]) as owner:
                conversation = await owner.create_conversation(*members[1:])
            self._conversations[conversation] = members[0]
            for position, name in enumerate(members):
                self._add(name, tokens[name], conversation, position)

    def _add(self, name: str, token: str, conversation: str, position: int) -> None:
        chance = random.Random(self.chance.random())
        if position % REST_EVERY == 0:
            door: RestDoor | SocketDoor = RestDoor(self.server.url, token)
        else:
            follower = Follower(name, conversation, self.ledger, shows_seen=position % 2 == 0)
            door = SocketDoor(self.server.ws_url, token, follower)
            self.followers.append(follower)
            self.sockets.append(door)
        self.people.append(Person(name, conversation, door, self.ledger, chance))

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
            raise TimeoutError(f"{error}; {troubles}\n{self.server.tail()}") from error
        if talk.done():
            await talk

    async def _was_quiet(self) -> bool:
        acks = len(self.ledger.acks)
        await asyncio.sleep(QUIET_S)
        return acks == len(self.ledger.acks)

    async def _catch_up(self) -> None:
        """Bring every follower to the top; who lost its connection at the very end comes back once more."""
        tops = {name: len(rows) for name, rows in read_rows(self.database).items()}
        for door in self.sockets:
            await until_awaited(door.attended, "a last connection")
        await until(lambda: self._behind(tops) == [], f"all subscribers at the top: {tops}")

    def _behind(self, tops: dict[str, int]) -> list[str]:
        return [follower.name for follower in self.followers if follower.offset < tops[follower.conversation]]

    async def _check_rest(self) -> None:
        """Compare what REST tells with what the file has."""
        stored = read_rows(self.database)
        for conversation, owner in self._conversations.items():
            async with RestClient(self.server.url, self.server.token(owner)) as rest:
                messages = await rest.messages(conversation)
                events = await rest.events(conversation)
            rows = stored[conversation]
            told = [(item["seq"], item["sender"], item["client_message_id"]) for item in messages]
            if told != [(row.seq, row.author, row.key) for row in rows if row.kind == MESSAGE]:
                self.ledger.violate(f"the pages of {conversation} are not what is stored")
            if [(item["seq"], item["type"]) for item in events] != [(row.seq, row.kind) for row in rows]:
                self.ledger.violate(f"the events of {conversation} are not what is stored")
