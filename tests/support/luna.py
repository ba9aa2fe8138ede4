"""Luna: a persona whose database file lies beside main.db, with one conversation of Alice's in it."""

from __future__ import annotations

from pathlib import Path

from chat.commands import CreateConversation
from chat.drafts import Drafter
from chat.models import User
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Committed, Created
from storage.sqlite import SQLiteStore

LUNA = "persona_luna.db"


async def make_luna(data: Path) -> str:
    """Make both files in a data folder that is not there yet, and return the conversation's id."""
    data.mkdir()
    main = SQLiteStore("main", data / "main.db", Settings(), NullObserver())
    await main.open()
    await main.close()
    store = SQLiteStore("luna", data / LUNA, Settings(), NullObserver())
    await store.open()
    outcome = (await store.commit([Drafter(Settings()).draft(User("alice"), CreateConversation())]))[0]
    await store.close()
    assert isinstance(outcome, Committed)
    assert isinstance(outcome.answer, Created)
    return outcome.answer.conversation.conversation_id
