"""The JSON of a command's answer, the same in an rpc result and in a REST body."""

from __future__ import annotations

import msgspec

from chat.models import Conversation
from chat.store import Created

EMPTY = b"{}"


class CreatedConversation(Conversation, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the creation of a conversation: its own fields, and whether its key was used before."""

    duplicate: bool


def encode_answer(answer: msgspec.Struct | None) -> bytes:
    """Write the answer of `Session.handle` as JSON; the answer that says nothing is `{}`."""
    if answer is None:
        return EMPTY
    return msgspec.json.encode(_flat(answer) if isinstance(answer, Created) else answer)


def _flat(created: Created) -> CreatedConversation:
    fields = msgspec.structs.asdict(created.conversation)
    return CreatedConversation(**fields, duplicate=created.duplicate)
