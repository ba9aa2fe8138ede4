"""A stand-in server: Centrifuge's JSON frames over lists in memory, to prove the clients and drivers by.

It keeps its log when connections are dropped and when it is stopped and started again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from tests.support.ports import LOOPBACK, free_port

EPOCH = "fake1"
PING_S = 25
SUBPROTOCOL = "Sec-WebSocket-Protocol"
Json = dict[str, Any]


class FakeServer:
    """Channels are lists of events; everybody may do everything. `headers` keeps those of each handshake."""

    def __init__(self) -> None:
        self.port = free_port()
        self.log: dict[str, list[Json]] = {}
        self.headers: list[dict[str, str]] = []
        self.commands: list[Json] = []
        self.pongs = 0
        self._keys: dict[tuple[str, str], Json] = {}
        self._listeners: dict[str, list[ServerConnection]] = {}
        self._server: Server | None = None

    async def __aenter__(self) -> FakeServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}/connection/websocket"

    async def start(self) -> None:
        self._server = await serve(
            self._talk, LOOPBACK, self.port, ping_interval=None, process_request=self._note_headers
        )

    async def stop(self) -> None:
        assert self._server is not None
        await self.drop()
        self._server.close()
        await self._server.wait_closed()

    async def drop(self) -> None:
        """Abort all connections."""
        assert self._server is not None
        for connection in list(self._server.connections):
            connection.transport.abort()
        self._listeners.clear()

    def publish(self, channel: str, data: Json) -> int:
        """Append an event and push it; return its offset."""
        events = self.log.setdefault(channel, [])
        events.append({"type": "message", "seq": len(events) + 1, "epoch": EPOCH, **data})
        self.push(channel, len(events), events[-1])
        return len(events)

    def push(self, channel: str, offset: int, data: Json) -> None:
        """Push a publication, whether the log has it or not."""
        reply = {"push": {"channel": channel, "pub": {"data": data, "offset": offset}}}
        for connection in self._listeners.get(channel, []):
            _write(connection, reply)

    def ping(self) -> None:
        assert self._server is not None
        for connection in self._server.connections:
            _write(connection, {})

    def _note_headers(self, _: ServerConnection, request: Request) -> None:
        self.headers.append(dict(request.headers.raw_items()))
        if request.headers.get(SUBPROTOCOL) == "":
            del request.headers[SUBPROTOCOL]  # some clients send it empty, and the library would refuse it

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            async for frame in connection:
                for line in str(frame).split("\n"):
                    self._handle(connection, json.loads(line))
        except ConnectionClosed:
            return

    def _handle(self, connection: ServerConnection, command: Json) -> None:
        if not command:
            self.pongs += 1
            return
        self.commands.append(command)
        number = command.pop("id")
        kind, body = next(iter(command.items()))
        answer = getattr(self, f"_{kind}", self._refuse)(connection, body)
        _write(connection, {"id": number, **({"error": answer} if "code" in answer else {kind: answer})})

    def _refuse(self, _: ServerConnection, __: Json) -> Json:
        return {"code": 108, "message": "not available"}

    def _connect(self, _: ServerConnection, __: Json) -> Json:
        return {"client": "c1", "version": "fake", "ping": PING_S, "pong": True}

    def _subscribe(self, connection: ServerConnection, body: Json) -> Json:
        channel = body["channel"]
        if channel == "forbidden":
            return {"code": 102, "message": "unknown channel"}
        events = self.log.setdefault(channel, [])
        self._listeners.setdefault(channel, []).append(connection)
        result: Json = {"recoverable": True, "positioned": True, "epoch": EPOCH, "offset": len(events)}
        if body.get("recover"):
            result |= self._recover(events, body)
        return result

    def _recover(self, events: list[Json], body: Json) -> Json:
        since = body.get("offset", 0)
        if body.get("epoch") not in ("", EPOCH):
            return {"was_recovering": True}
        missed = [{"offset": event["seq"], "data": event} for event in events[since:]]
        return {"was_recovering": True, "recovered": True, "offset": since, "publications": missed}

    def _rpc(self, _: ServerConnection, body: Json) -> Json:
        if body.get("method") != "send":
            return {"code": 104, "message": "method not found"}
        data = body["data"]
        identity = (data["conversation_id"], data["client_message_id"])
        known = self._keys.get(identity)
        if known is None:
            seq = self.publish(identity[0], {"client_message_id": identity[1], "content": data["content"]})
            self._keys[identity] = {"seq": seq, "epoch": EPOCH, "conversation_id": identity[0]}
        return {"data": {**self._keys[identity], "duplicate": known is not None}}


def _write(connection: ServerConnection, reply: Json) -> None:
    task = asyncio.ensure_future(connection.send(json.dumps(reply)))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
