"""A server, one reader and the wire between them, moved step by step; either side may die between any two steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from ops.tail.effects import Draw, Drop, Effect, Keep, Kind, Pause, Reject, Send
from ops.tail.ending import Lost
from ops.tail.outbox import Outbox
from ops.tail.records import Bookmark, Draft, Record, Settled
from ops.tail.session import Session
from ops.tail.timeline import Timeline
from ops.tail.wire import Reply, decode_frame
from tests.ops.tail.history import CONVERSATION, History, Json, new_history

PAGE_SIZE = 3
STEPS_MAX = 2_000
NewTimeline = Callable[[Bookmark], Timeline]


class Crash(Exception):
    """The reader's process dies here."""


class Shown:
    """What a program that reads the events has understood; it survives the death of the command."""

    def __init__(self) -> None:
        self.messages: dict[int, Json] = {}
        self.joins: set[int] = set()
        self.start = 0
        self.drawn_by_this_process: set[int] = set()

    def drop(self, drop: Drop) -> None:
        self.start = drop.offset
        self.joins.clear()
        self.messages.clear()
        self.drawn_by_this_process.clear()

    def draw(self, draw: Draw) -> None:
        event: Json = msgspec.json.decode(draw.event.raw)
        seq: int = event.get("message_seq") or event["seq"]
        if event["type"] == "message" and draw.kind is Kind.ADDED:
            assert seq not in self.drawn_by_this_process, f"message {seq} was drawn twice"
            self.drawn_by_this_process.add(seq)
        if event["type"] == "member.joined":
            self.joins.add(seq)
        known = self.messages.get(seq, {"changed_seq": 0})
        if event["type"] == "message" or (event["type"] != "member.joined" and seq in self.messages):
            state = {"content": event.get("content"), "changed_seq": event["changed_seq"]}
            self.messages[seq] = max(known, state, key=lambda each: each["changed_seq"])


class Disk:
    """The records that were kept, in their order; after a power cut, only up to the last durable one."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._durable = 0

    def keep(self, keep: Keep) -> None:
        self._records.extend(keep.records)
        if keep.durable:
            self._durable = len(self._records)

    def cut_power(self) -> None:
        del self._records[self._durable :]

    def bookmark(self, *, durable: bool = False) -> Bookmark:
        records = self._records[: self._durable] if durable else self._records
        return next((record for record in reversed(records) if isinstance(record, Bookmark)), Bookmark())

    def drafts(self) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for record in self._records:
            match record:
                case Draft():
                    drafts[record.client_message_id] = record
                case Settled():
                    drafts.pop(record.client_message_id, None)
        return list(drafts.values())


class World:
    """`step` names are methods; `number` picks what each of them is about."""

    def __init__(self, new_timeline: NewTimeline | None = None) -> None:
        self.new_timeline = new_timeline or (lambda bookmark: Timeline(bookmark, PAGE_SIZE))
        self.history = new_history()
        self.snapshots: list[History] = []
        self.epochs = 1
        self.shown = Shown()
        self.disk = Disk()
        self.typed: list[str] = []
        self.acked: list[str] = []
        self.rejected: list[Reject] = []
        self.connected = self.subscribed = self.must_tell = False
        self.disconnect()
        self.start_reader()

    # What happens on the server.

    def post(self, number: int) -> None:
        self.history.post("bob", f"b{self.history.top}-{self.history.epoch}-{number}", f"bob says {number}")

    def join(self, _: int) -> None:
        self.history.join()

    def edit(self, number: int) -> None:
        if seqs := self.history.message_seqs():
            self.history.edit(seqs[-1 - number % len(seqs)], f"edited {self.history.top}-{number}")

    def delete(self, number: int) -> None:
        if seqs := self.history.message_seqs():
            self.history.delete(seqs[-1 - number % len(seqs)])

    def purge(self, number: int) -> None:
        """Forget the oldest row everywhere: what was purged does not come back with a restore."""
        first_seq = self.history.first_seq + number % 2
        for history in (self.history, *self.snapshots):
            history.purge_below(first_seq)

    def snapshot(self, _: int) -> None:
        self.snapshots.append(self.history.copy())

    def restart(self, number: int) -> None:
        self.disconnect()
        self.history.open("unclean" if number == 0 else "start", self._new_epoch())

    def restore(self, number: int) -> None:
        if self.snapshots:
            self.disconnect()
            self.history = self.snapshots[number % len(self.snapshots)].restored(self._new_epoch())

    def reopen(self, _: int) -> None:
        """Open the file anew under living connections, which are told a moment later."""
        self.history.open("start", self._new_epoch())
        self.must_tell = self.must_tell or self.subscribed

    def swap(self, number: int) -> None:
        """Put a copy in the place of the file under living connections: answers come from it, events no more."""
        if self.snapshots:
            self.history = self.snapshots[number % len(self.snapshots)].restored(self._new_epoch())
            self.must_tell, self.subscribed = self.must_tell or self.subscribed, False

    def tell(self, _: int) -> None:
        """Have the subscriptions of another epoch made anew."""
        if self.must_tell:
            self.must_tell = self.subscribed = False
            self.outbound.append({"push": {"channel": CONVERSATION, "unsubscribe": {"code": 2500}}})

    def serve(self, number: int) -> None:
        """Carry out the next commands; what an rpc found is not yet on the wire."""
        for _ in range(min(number + 1, len(self.inbound))):
            command = self.inbound.popleft()
            replies = self.found if "rpc" in command else self.outbound
            replies.append({"id": command.pop("id")} | self._answer(command))

    def answer(self, _: int) -> None:
        """Put the next answer of an rpc on the wire; events may have overtaken it."""
        if self.found:
            self.outbound.append(self.found.popleft())

    def push(self, number: int) -> None:
        """Hand on the next events to a subscription."""
        for _ in range(number + 1):
            if self.subscribed and self.pushed < self.history.top:
                self.pushed += 1
                pub = {"data": self.history.event(self.pushed), "offset": self.pushed}
                self.outbound.append({"push": {"channel": CONVERSATION, "pub": pub}})

    def disconnect(self, _: int = 0) -> None:
        self.inbound: deque[Json] = deque()
        self.found: deque[Json] = deque()
        self.outbound: deque[Json] = deque()
        self.connected = self.subscribed = self.must_tell = False
        self.pushed = 0

    # What happens at the reader.

    def connect(self, _: int) -> None:
        if not self.connected:
            self.connected = True
            self.session = Session(CONVERSATION, self.timeline, self.outbox)
            self._perform(self.session.open("token"))

    def type(self, number: int) -> None:
        line = f"line {len(self.typed)} {number}"
        self.typed.append(line)
        self.disk.keep(Keep((self.outbox.add(line),)))
        if self.connected:
            self._perform(self.session.flush())

    def receive(self, number: int) -> None:
        """Take one frame of some replies."""
        self._receive(number + 1)

    def receive_and_crash(self, number: int) -> None:
        """Take a frame, and die before its effect `number`."""
        try:
            self._receive(3, crash_before=number)
        except Crash:
            self.crash(number)

    def crash(self, number: int) -> None:
        if number % 2:
            self.disk.cut_power()
        self.disconnect()
        self.start_reader()

    def start_reader(self) -> None:
        self.shown.drawn_by_this_process.clear()
        self.timeline = self.new_timeline(self.disk.bookmark())
        self.outbox = Outbox(self.disk.drafts())

    def settle(self, _: int = 0) -> None:
        """Let both sides do all they have to, then compare what is shown with what is stored."""
        for _step in range(STEPS_MAX):
            if self._is_quiet():
                self.check()
                return
            self.connect(0)
            self.tell(0)
            self.serve(0)
            self.answer(0)
            self.push(0)
            self.receive(0)
        raise AssertionError("the reader never comes to rest")

    def check(self) -> None:
        today = [
            {"content": message.get("content"), "changed_seq": message["changed_seq"], "seq": seq}
            for seq in self.history.message_seqs()
            for message in [self.history.message(seq)]
        ]
        shown = [state | {"seq": seq} for seq, state in sorted(self.shown.messages.items())]
        # What was purged may still be shown: purging forgets, it does not undo.
        shown = [state for state in shown if state["seq"] >= self.history.first_seq]
        assert len(shown) >= min(PAGE_SIZE, len(today)), f"too little is shown: {shown} of {today}"
        assert shown == today[len(today) - len(shown) :], f"shown {shown}, stored {today}"
        joins = {seq for seq, row in enumerate(self.history.rows, 1) if row.kind == "joined"}
        since = max(self.shown.start + 1, self.history.first_seq)
        assert {seq for seq in joins if seq >= since} == {seq for seq in self.shown.joins if seq >= since}
        assert len(self.outbox) == 0
        assert not self.rejected

    def _is_quiet(self) -> bool:
        behind = self.pushed < self.history.top or self.must_tell
        busy = self.inbound or self.found or self.outbound or len(self.outbox)
        return self.connected and self.subscribed and self.timeline.is_live and not behind and not busy

    def _receive(self, count: int, crash_before: int | None = None) -> None:
        replies = [self.outbound.popleft() for _ in range(min(count, len(self.outbound)))]
        if replies:
            self._perform(self.session.receive(_read(replies)), crash_before)

    def _perform(self, effects: Iterator[Effect], crash_before: int | None = None) -> None:
        try:
            for done, effect in enumerate(effects):
                if done == crash_before:
                    raise Crash
                self._carry_out(effect)
        except Lost:
            self.disconnect()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.inbound.append(msgspec.json.decode(msgspec.json.encode(effect.command)))
            case Keep():
                self.disk.keep(effect)
            case Drop():
                self.shown.drop(effect)
            case Draw():
                seen = self.disk.bookmark(durable=True).seen
                assert seen.seq >= effect.event.row.seq, f"{effect.event} was drawn before it was kept"
                self.shown.draw(effect)
            case Reject():
                self.rejected.append(effect)
            case Pause():
                raise AssertionError("nothing is temporary here")

    def _answer(self, command: Json) -> Json:
        kind, body = next(iter(command.items()))
        if kind == "connect":
            return {"connect": {"client": "c", "version": "t", "ping": 25}}
        if kind == "subscribe":
            self.subscribed, self.pushed = True, self.history.top
            return {"subscribe": self.history.subscribed(body)}
        if body["method"] == "history":
            return {"rpc": {"data": self.history.page(body["data"])}}
        data = body["data"]
        seq, duplicate = self.history.post("alice", data["client_message_id"], data["content"])
        self.acked.append(data["client_message_id"])
        return {"rpc": {"data": {"seq": seq, "epoch": self.history.epoch, "duplicate": duplicate}}}

    def _new_epoch(self) -> str:
        self.epochs += 1
        return f"e{self.epochs}"


ON_THE_WIRE = (World.connect, World.serve, World.answer, World.push, World.receive, World.receive_and_crash)
STEPS = (
    World.post,
    World.join,
    World.edit,
    World.delete,
    World.purge,
    World.snapshot,
    World.restart,
    World.restore,
    World.reopen,
    World.swap,
    World.tell,
    World.disconnect,
    World.type,
    World.crash,
    World.settle,
    *ON_THE_WIRE,
    *ON_THE_WIRE,
)
"""What a story is made of; the steps of the wire come more often, since a talk takes many of them."""


def _read(replies: list[Json]) -> list[Reply]:
    return decode_frame(b"\n".join(msgspec.json.encode(reply) for reply in replies))
