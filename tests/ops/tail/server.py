"""A small Centrifuge server over one history in memory, which misbehaves when it is told to."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.ops.tail.history import CONVERSATION, History, Json, new_history
from tests.support.ports import LOOPBACK, free_port

KINDS = ("connect", "conversation", "subscribe", "history", "send")


class TailServer:
    """Serves `history`, to whoever asks. `faults[kind]` are used up one by one, in place of the honest answer."""

    def __init__(self) -> None:
        self.port = free_port()
        self.history = new_history()
        self.faults: dict[str, deque[Callable[[ServerConnection, Json], Json | None]]] = {
            kind: deque() for kind in KINDS
        }
        self.asked: Counter[str] = Counter()
        self.tokens: list[str] = []
        self.sends: list[Json] = []
        self.pongs = 0
        self.acks_twice = False
        self.ping_s = 25
        self.door_status = 0
        self._pushed: dict[ServerConnection, int] = {}
        self._server: Server | None = None

    async def __aenter__(self) -> TailServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def listeners(self) -> int:
        return len(self._pushed)

    async def start(self) -> None:
        self._server = await serve(
            self._talk, LOOPBACK, self.port, ping_interval=None, process_request=self._at_the_door
        )

    async def stop(self) -> None:
        if self._server is not None:
            self.drop()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """Abort all connections."""
        assert self._server is not None
        for connection in list(self._server.connections):
            connection.transport.abort()
        self._pushed.clear()

    async def close(self, code: int, reason: str = "so it is") -> None:
        assert self._server is not None
        self._pushed.clear()
        for connection in list(self._server.connections):
            await connection.close(code, reason)

    async def say(self, reply: Json) -> None:
        """Write to every subscription."""
        for connection in list(self._pushed):
            await connection.send(json.dumps(reply))

    async def post(self, content: str) -> int:
        seq, _ = self.history.post("bob", f"key of {content} {self.history.epoch}", content)
        await self.push()
        return seq

    async def push(self) -> None:
        """Hand on to every subscription what it has not got, in one frame."""
        for connection, pushed in list(self._pushed.items()):
            self._pushed[connection] = self.history.top
            events = [_event(self.history, seq) for seq in range(pushed + 1, self.history.top + 1)]
            if events:
                await connection.send("\n".join(map(json.dumps, events)))

    def _at_the_door(self, connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(self.door_status, "no") if self.door_status else None

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            async for frame in connection:
                for line in str(frame).split("\n"):
                    await self._handle(connection, json.loads(line))
        except ConnectionClosed:
            return
        finally:
            self._pushed.pop(connection, None)

    async def _handle(self, connection: ServerConnection, command: Json) -> None:
        if not command:
            self.pongs += 1
            return
        number = command.pop("id")
        kind, body = next(iter(command.items()))
        kind = body.get("method", kind)
        self.asked[kind] += 1
        faults = self.faults[kind]
        answer = (faults.popleft() if faults else getattr(self, f"_{kind}"))(connection, body)
        if answer is not None:
            copies = 2 if kind == "send" and self.acks_twice else 1
            await connection.send("\n".join([json.dumps({"id": number} | answer)] * copies))
        await self.push()

    def _connect(self, _: ServerConnection, body: Json) -> Json:
        self.tokens.append(body["token"])
        return {"connect": {"client": "c", "version": "t", "ping": self.ping_s, "pong": True}}

    def _conversation(self, _: ServerConnection, __: Json) -> Json:
        return {"rpc": {"data": {"conversation_id": CONVERSATION, "kind": "group", "title": "Hello"}}}

    def _subscribe(self, connection: ServerConnection, body: Json) -> Json:
        if body["channel"] != CONVERSATION:
            return error(102, "unknown channel")
        self._pushed[connection] = self.history.top
        return {"subscribe": self.history.subscribed(body)}

    def _history(self, _: ServerConnection, body: Json) -> Json:
        return {"rpc": {"data": self.history.page(body["data"])}}

    def _send(self, _: ServerConnection, body: Json) -> Json:
        data = body["data"]
        self.sends.append(data)
        seq, duplicate = self.history.post("alice", data["client_message_id"], data["content"])
        return {"rpc": {"data": {"seq": seq, "epoch": self.history.epoch, "duplicate": duplicate}}}

    # Faults.

    def drops(self, connection: ServerConnection, _: Json) -> None:
        """Abort the connection instead of an answer."""
        self._pushed.pop(connection, None)
        connection.transport.abort()

    def stores_and_drops(self, connection: ServerConnection, body: Json) -> None:
        """Store a line and abort the connection before its ack."""
        self._send(connection, body)
        self.drops(connection, body)

    def does_not_recover(self, connection: ServerConnection, _: Json) -> Json:
        """Answer a claim with a reload, whatever it says."""
        return self._subscribe(connection, {"channel": CONVERSATION}) | {"was_recovering": True}

    def pages_another_epoch(self, _: ServerConnection, body: Json) -> Json:
        """Answer with a page of a history that is not the subscription's."""
        return {"rpc": {"data": self.history.page(body["data"]) | {"epoch": "elsewhere"}}}


def refuses(code: int, message: str, *, temporary: bool = False) -> Callable[[ServerConnection, Json], Json]:
    """Return the fault of an error reply."""
    return lambda _, __: error(code, message, temporary=temporary)


def error(code: int, message: str, *, temporary: bool = False) -> Json:
    return {"error": {"code": code, "message": message, "temporary": temporary}}


def _event(history: History, seq: int) -> Json:
    return {"push": {"channel": CONVERSATION, "pub": {"data": history.event(seq), "offset": seq}}}
