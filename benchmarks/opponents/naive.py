"""A chat in one file, as written on a first day with FastAPI and aiosqlite: right, durable, not tuned.

One connection to the database, one commit for every message, and a loop that awaits each socket in turn. It
believes the user's name, knows no members and forgets keys: what it leaves out makes it cheaper, not dearer.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# The same SQLite on both sides: it must be put in place before aiosqlite looks for one.
import storage.engine  # noqa: F401

# isort: split
import aiosqlite
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id                INTEGER PRIMARY KEY,
    conversation      TEXT    NOT NULL,
    seq               INTEGER NOT NULL,
    sender            TEXT    NOT NULL,
    client_message_id TEXT    NOT NULL,
    content           TEXT    NOT NULL,
    created_at        TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (conversation, seq)
)
"""
INSERT = """
INSERT INTO messages (conversation, seq, sender, client_message_id, content)
SELECT ?, COALESCE(MAX(seq), 0) + 1, ?, ?, ? FROM messages WHERE conversation = ?
RETURNING seq, created_at
"""


class Room:
    """The sockets of one conversation. The lock keeps its messages in order."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []
        self.lock = asyncio.Lock()


class Chat:
    """The database and the rooms. One connection means one transaction at a time, hence the second lock."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self.database = database
        self.rooms: defaultdict[str, Room] = defaultdict(Room)
        self.writing = asyncio.Lock()

    async def last_seq(self, conversation: str) -> int:
        """Return the newest seq of a conversation, 0 when nothing was said."""
        query = "SELECT COALESCE(MAX(seq), 0) FROM messages WHERE conversation = ?"
        async with self.database.execute(query, (conversation,)) as cursor:
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def store(self, conversation: str, sender: str, key: str, content: str) -> tuple[int, str]:
        """Commit one message; return its seq and time."""
        async with self.writing:
            values = (conversation, sender, key, content, conversation)
            async with self.database.execute(INSERT, values) as cursor:
                row = await cursor.fetchone()
            await self.database.commit()
        assert row is not None
        return int(row[0]), str(row[1])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the database open in the working folder."""
    async with aiosqlite.connect("naive.db") as database:
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute(SCHEMA)
        await database.commit()
        app.state.chat = Chat(database)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Say that the server stands."""
    return {"status": "ready"}


@app.websocket("/ws/{conversation}")
async def talk(socket: WebSocket, conversation: str, user: str) -> None:
    """Let a user into a conversation and listen until he leaves."""
    chat: Chat = socket.app.state.chat
    room = chat.rooms[conversation]
    await socket.accept()
    await socket.send_text(json.dumps({"welcome": await chat.last_seq(conversation)}))
    room.sockets.append(socket)
    try:
        while True:
            await say(chat, socket, conversation, user, json.loads(await socket.receive_text()))
    except WebSocketDisconnect:
        pass
    finally:
        room.sockets.remove(socket)


async def say(chat: Chat, socket: WebSocket, conversation: str, user: str, request: dict[str, str]) -> None:
    """Store a message, ack it to its sender, and hand it to everybody in the room."""
    room = chat.rooms[conversation]
    key, content = request["client_message_id"], request["content"]
    async with room.lock:
        seq, created_at = await chat.store(conversation, user, key, content)
        await socket.send_text(json.dumps({"ack": {"id": request["id"], "seq": seq}}))
        message = {
            "conversation": conversation,
            "seq": seq,
            "sender": user,
            "client_message_id": key,
            "content": content,
            "created_at": created_at,
        }
        text = json.dumps({"message": message})
        for listener in list(room.sockets):
            await listener.send_text(text)
