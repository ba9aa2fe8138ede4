"""What the writer of one file knows and does inside a batch: places, people, seqs and the rows of changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import sql
from chat.commands import parse_version
from chat.errors import KeyReused, Unknown, UnrecoverablePosition
from chat.ids import conversation_id_of, key_to_column, uuid_of
from chat.models import version
from chat.store import Changed, Draft
from chat.timeline import Timeline
from storage.ledger import RECORDED

PLACES_MAX = 10_000
PEOPLE_MAX = 50_000

CONVERSATIONS = sql.load("conversations")
MEMBERS = sql.load("members")
MESSAGES = sql.load("messages")
CHANGES = sql.load("changes")
USERS = sql.load("users")


class Place:
    """A conversation as the writer knows it: `last_seq` counts what this batch gave out, `roles` who may."""

    __slots__ = (
        "changed_seq",
        "conversation_id",
        "dirty",
        "first_seq",
        "generation",
        "last_seq",
        "number",
        "roles",
        "updated_ms",
    )

    def __init__(self, conversation_id: str, row: tuple[int, int, int, int, int, int]) -> None:
        self.conversation_id = conversation_id
        self.number, self.last_seq, self.first_seq, self.changed_seq, self.updated_ms, self.generation = row
        self.roles: dict[int, str | None] = {}
        self.dirty = False


class Writing:
    """The state of one writer, kept over batches since nobody else writes; `forget` after anything went wrong."""

    def __init__(self, persona: str, timeline: Timeline, *, unread_max: int, members_max: int) -> None:
        self.persona = persona
        self.timeline = timeline
        self.generation = timeline.current.number
        self.epoch = timeline.epoch
        self.unread_max = unread_max
        self.members_max = members_max
        self._connection: Any = None
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._people: OrderedDict[str, int] = OrderedDict()
        self._dirty: list[Place] = []
        self._recorded: list[tuple[bytes, int]] = []

    def begin(self, connection: Any) -> None:
        """Start a transaction on the sqlite3 connection."""
        self._connection = connection
        self._recorded.clear()
        connection.execute("BEGIN IMMEDIATE")

    def finish(self) -> None:
        """Write down how far each touched conversation came, and commit."""
        self.flush()
        self._connection.execute("COMMIT")
        self._trim()

    def recorded(self) -> list[tuple[bytes, int]]:
        """Return where this batch wrote what belongs into the ledger: uuid of the conversation, and seq.

        What was rolled back may be among it.
        """
        return self._recorded

    def flush(self) -> None:
        """Write down how far each touched conversation came."""
        if not self._dirty:
            return
        places = [(each.number, each.last_seq, each.changed_seq, each.updated_ms) for each in self._dirty]
        self.execute(CONVERSATIONS["advance"], {"places": msgspec.json.encode(places).decode()})
        for place in self._dirty:
            place.dirty = False
        self._dirty.clear()

    def forget(self) -> None:
        """Drop all that is known: the database has the truth."""
        self._places.clear()
        self._people.clear()
        self._dirty.clear()

    def execute(self, statement: str, values: Mapping[str, Any] | Sequence[Any]) -> Any:
        """Run a statement and return its cursor."""
        return self._connection.execute(statement, values)

    def one(self, statement: str, values: Mapping[str, Any]) -> Any:
        """Run a statement and return its first row, or None."""
        return self._connection.execute(statement, values).fetchone()

    def place(self, conversation_id: str) -> Place:
        """Find a conversation; raises Unknown where there is none, or it is hidden."""
        place = self._places.get(conversation_id)
        if place is None:
            row = self.one(CONVERSATIONS["find"], {"uuid": uuid_of(conversation_id)})
            if row is None or row[-1] is not None:
                raise Unknown
            place = self.remember(Place(conversation_id, row[:-1]))
        return place

    def remember(self, place: Place) -> Place:
        """Keep a place for the batches to come."""
        self._places[place.conversation_id] = place
        return place

    def drop(self, place: Place) -> None:
        """Forget one place, after it was hidden; its counters are still written."""
        self._places.pop(place.conversation_id, None)

    def user(self, name: str) -> int:
        """Find the number of a user; raises Unknown for one who never was a member of anything here."""
        number = self._people.get(name)
        if number is None:
            row = self.one(USERS["find"], {"id": name})
            if row is None:
                raise Unknown
            number = self._people[name] = row[0]
        return number

    def intern(self, name: str) -> int:
        """Find the number of a user, giving one out where there is none."""
        try:
            return self.user(name)
        except Unknown:
            number = int(self.execute(USERS["add"], {"id": name}).lastrowid)
            self._people[name] = number
            return number

    def name(self, number: int) -> str:
        """Return the id of the user with that number."""
        return str(self.one(USERS["by_number"], {"number": number})[0])

    def role(self, place: Place, user: int) -> str:
        """Return a member's role; raises Unknown for whoever is not a member."""
        role = place.roles.get(user)
        if role is None:
            row = self.one(MEMBERS["find"], {"conversation": place.number, "user": user})
            if row is None:
                raise Unknown
            role = place.roles[user] = row[0]
        return role

    def enter(self, draft: Draft, conversation_id: str) -> tuple[Place, int, str]:
        """Find the conversation, the author and his role; raises Unknown where any of them is missing."""
        place = self.place(conversation_id)
        author = self.user(draft.author)
        return place, author, self.role(place, author)

    def enter_once(
        self, draft: Draft, conversation_id: str, key: str | None, *, leaves: bool = False
    ) -> tuple[Place, int, str] | Changed:
        """Do as `enter` does, or return the first answer of what the same key did before.

        Raises KeyReused where the key stood for something else. Who asks again for what put him outside (`leaves`) is
        answered too, and learns no more than he did the first time.
        """
        try:
            entered = self.enter(draft, conversation_id)
        except Unknown:
            row = self.one(CONVERSATIONS["find"], {"uuid": uuid_of(conversation_id)}) if leaves else None
            earlier = row and self.earlier(
                Place(conversation_id, row[:-1]), self.user(draft.author), draft, key
            )
            if not earlier:
                raise
            return earlier
        return self.earlier(entered[0], entered[1], draft, key) or entered

    def take_seq(self, place: Place, at_ms: int) -> int:
        """Give out the next seq of a conversation; only what is written in the same transaction may use it."""
        place.last_seq += 1
        place.updated_ms = max(place.updated_ms, at_ms)
        if not place.dirty:
            place.dirty = True
            self._dirty.append(place)
        return place.last_seq

    def change(
        self,
        place: Place,
        author: int,
        draft: Draft,
        kind: str,
        *,
        message_seq: int | None = None,
        payload: bytes | None = None,
        key: str | None = None,
    ) -> int:
        """Record what took a seq without being a message, and return that seq."""
        seq = self.take_seq(place, draft.at_ms)
        if kind in RECORDED:
            self._recorded.append((uuid_of(place.conversation_id), seq))
        self.execute(
            CHANGES["add"],
            {
                "conversation": place.number,
                "seq": seq,
                "kind": kind,
                "message_seq": message_seq,
                "actor": author,
                "idempotency_key": None if key is None else key_to_column(key),
                "fingerprint": None if key is None else draft.fingerprint,
                "payload": None if payload is None else payload.decode(),
                "generation": self.generation,
                "created_ms": draft.at_ms,
            },
        )
        return seq

    def earlier(self, place: Place, author: int, draft: Draft, key: str | None) -> Changed | None:
        """Find what the same key did before; raises KeyReused where it stood for something else."""
        if key is None:
            return None
        row = self.one(
            CHANGES["find_key"],
            {"conversation": place.number, "actor": author, "idempotency_key": key_to_column(key)},
        )
        if row is None:
            return None
        seq, fingerprint, message_seq, generation = row
        if fingerprint != draft.fingerprint:
            raise KeyReused
        return self.changed(place, seq, message_seq=message_seq, generation=generation, duplicate=True)

    def changed(
        self,
        place: Place,
        seq: int,
        *,
        message_seq: int | None = None,
        generation: int | None = None,
        duplicate: bool = False,
    ) -> Changed:
        """Write the answer to what took `seq`, in the current generation or in an earlier one."""
        epoch = self.epoch if generation is None else self.timeline.epoch_of(generation)
        return Changed(
            conversation_id=place.conversation_id,
            seq=seq,
            epoch=self.epoch,
            version=version(epoch, seq),
            duplicate=duplicate,
            message_seq=message_seq,
        )

    def check_lineage(self, place: Place, message_seq: int, named: str) -> int:
        """Return the changed_seq that a version names; raises UnrecoverablePosition if it is not that message's today.

        A row at that seq with another epoch, or none, means that the message which the client saw is not this one.
        """
        row_id = parse_version(named)
        found = self.one(CONVERSATIONS["generation_at"], {"conversation": place.number, "seq": row_id.seq})
        if found is None or self.timeline.epoch_of(found[0]) != row_id.epoch:
            raise UnrecoverablePosition
        if row_id.seq != message_seq:
            change = self.one(CHANGES["find"], {"conversation": place.number, "seq": row_id.seq})
            if change is None or change[0] != message_seq:
                raise UnrecoverablePosition
        return row_id.seq

    def new_conversation_id(self, name: bytes) -> str:
        """Write the id of a conversation of this file."""
        return conversation_id_of(self.persona, name)

    def _trim(self) -> None:
        while len(self._places) > PLACES_MAX:
            self._places.popitem(last=False)
        while len(self._people) > PEOPLE_MAX:
            self._people.popitem(last=False)
