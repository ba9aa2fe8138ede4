"""What people ask in the histories: one struct per kind, and the strategies that make them up.

A number that stands for a message, a version or an epoch chooses among those that there are, or ever were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from chat.commands import (
    AddMember,
    DeleteMessage,
    EditMessage,
    RemoveMember,
    SendMessage,
    WriteCommand,
)

Chosen = TypeVar("Chosen")

OWNER = "alice"
PEOPLE = (OWNER, "bob", "carol", "eve")
CONVERSATIONS = 2
KEYS = ("k1", "k2", "k3", "k4", "0193b4a7-1f3c-7def-8123-0123456789ab")
CONTENTS = ("one", "two", "drei")
SEQ_ASKED_MAX = 12
HELD_MAX = 50
ASKS_MAX = 6
IMPOSSIBLE_KEY = "\ud800"


@dataclass(frozen=True)
class Ask:
    """One draft of `user`, or "" for whoever sent the message, in the conversation with that number."""

    user: str
    conversation: int
    version: str | int | None = None
    stamp: str | int | None = None
    key: str | None = None
    is_resolved: bool = False

    def command(self, conversation_id: str) -> WriteCommand:
        """Write it as the command that the store takes."""
        raise TypeError(type(self).__name__)


@dataclass(frozen=True)
class Say(Ask):
    """Send a message."""

    content: str = ""
    reply_to: int | None = None

    def command(self, conversation_id: str) -> WriteCommand:
        return SendMessage(
            conversation_id=conversation_id,
            client_message_id=self.key or "",
            content=self.content,
            reply_to=self.reply_to,
            first_sent_epoch=_text(self.stamp),
        )


@dataclass(frozen=True)
class Poison(Ask):
    """Send under a key that the database cannot take, which the doors would have refused."""

    def command(self, conversation_id: str) -> WriteCommand:
        return SendMessage(
            conversation_id=conversation_id, client_message_id=IMPOSSIBLE_KEY, content="poison"
        )


@dataclass(frozen=True)
class Alter(Ask):
    """Edit a message."""

    seq: int = 1
    content: str = ""

    def command(self, conversation_id: str) -> WriteCommand:
        return EditMessage(
            conversation_id=conversation_id,
            seq=self.seq,
            content=self.content,
            version=_text(self.version),
            idempotency_key=self.key,
        )


@dataclass(frozen=True)
class Erase(Ask):
    """Delete a message."""

    seq: int = 1

    def command(self, conversation_id: str) -> WriteCommand:
        return DeleteMessage(
            conversation_id=conversation_id,
            seq=self.seq,
            version=_text(self.version),
            idempotency_key=self.key,
        )


@dataclass(frozen=True)
class Admit(Ask):
    """Add a member."""

    guest: str = ""

    def command(self, conversation_id: str) -> WriteCommand:
        return AddMember(conversation_id=conversation_id, user=self.guest, idempotency_key=self.key)


@dataclass(frozen=True)
class Dismiss(Ask):
    """Remove a member."""

    guest: str = ""

    def command(self, conversation_id: str) -> WriteCommand:
        return RemoveMember(conversation_id=conversation_id, user=self.guest, idempotency_key=self.key)


def resolved(ask: Ask, versions: Sequence[str], epochs: Sequence[str], senders: Mapping[int, str]) -> Ask:
    """Replace the numbers that choose by what they choose, once; `senders` are those of the messages, by seq."""
    if ask.is_resolved:
        return ask
    changes: dict[str, Any] = {
        "is_resolved": True,
        "stamp": _chosen(ask.stamp, epochs),
        "version": _chosen(ask.version, versions),
    }
    if isinstance(ask, Alter | Erase):
        changes["seq"] = _chosen(ask.seq, list(senders)) or ask.seq
        changes["user"] = ask.user or senders.get(changes["seq"], OWNER)
    if isinstance(ask, Say) and ask.reply_to is not None:
        changes["reply_to"] = _chosen(ask.reply_to, [*senders, len(senders) + SEQ_ASKED_MAX])
    return replace(ask, **changes)


def _chosen(choice: object, among: Sequence[Chosen]) -> Chosen | None:
    return among[-choice % len(among)] if isinstance(choice, int) and among else None


def _text(chosen: str | int | None) -> str | None:
    assert not isinstance(chosen, int)
    return chosen


_PEOPLE = st.sampled_from((*PEOPLE, OWNER, OWNER, "bob"))
_SENDER_OR_OTHER = st.sampled_from((*PEOPLE, "", "", "", ""))
_GUESTS = st.sampled_from(PEOPLE[1:])
_WHERE = st.sampled_from((0, 0, 0, 1))
_CHOICES = st.integers(1, HELD_MAX)
_CONTENTS = st.sampled_from(CONTENTS)
_HELD = st.none() | _CHOICES
_CHANGE_KEYS = st.sampled_from((None, None, *KEYS[:2]))

_SAYS = st.builds(
    Say,
    user=_PEOPLE,
    conversation=_WHERE,
    stamp=st.none() | st.none() | _CHOICES,
    key=st.sampled_from(KEYS) | st.uuids(version=4).map(str),
    content=_CONTENTS,
    reply_to=st.none() | st.none() | _CHOICES,
)
_ALTERS = st.builds(
    Alter,
    user=_SENDER_OR_OTHER,
    conversation=_WHERE,
    version=_HELD,
    key=_CHANGE_KEYS,
    seq=_CHOICES,
    content=_CONTENTS,
)
_ERASES = st.builds(
    Erase, user=_SENDER_OR_OTHER, conversation=_WHERE, version=_HELD, key=_CHANGE_KEYS, seq=_CHOICES
)
_ADMITS = st.builds(Admit, user=_PEOPLE, conversation=_WHERE, key=_CHANGE_KEYS, guest=_GUESTS)
_DISMISSES = st.builds(Dismiss, user=_PEOPLE, conversation=_WHERE, key=_CHANGE_KEYS, guest=_GUESTS)
_POISONS = st.builds(Poison, user=_PEOPLE, conversation=_WHERE)

ASKS = st.lists(
    st.one_of(_SAYS, _ALTERS, _ERASES, _ADMITS, _DISMISSES, _POISONS), min_size=1, max_size=ASKS_MAX
)
TALK = st.lists(
    st.builds(
        Say,
        user=st.sampled_from((OWNER, "bob")),
        conversation=_WHERE,
        key=st.uuids(version=4).map(str),
        content=_CONTENTS,
    ),
    min_size=1,
    max_size=ASKS_MAX,
)
CHANGES = st.lists(st.one_of(_ALTERS, _ERASES), min_size=1, max_size=ASKS_MAX)
