"""Revival: one conversation is brought back from a copy into the live file, while everybody else goes on talking."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from chat.archive import Archive, ArchivedMessage
from chat.commands import RestoreConversation, RestoreMessages
from chat.store import Draft, Revived

if TYPE_CHECKING:
    from chat.writer import Writer

READ_MAX = 200
MESSAGES_PER_DRAFT_MAX = 100
BYTES_PER_DRAFT_MAX = 1_000_000
"""What is written in one draft at the most, so that nobody else waits long; one message always fits."""

COUNTED = ("members_added", "messages_added", "messages_restored", "messages_kept", "messages_refused")


async def revive(writer: Writer, archive: Archive, conversation_id: str, author: str) -> Revived:
    """Write what the copy has of a conversation and today lacks, draft after draft; to do so twice changes nothing.

    Raises Unknown where the copy does not have it, and whatever the writer raises: what was written by then stays, and
    the same again goes on from there.
    """
    archived = await archive.conversation(conversation_id)
    whole = await _write(
        writer, author, RestoreConversation(conversation_id=conversation_id, archived=archived)
    )
    after = 0
    while found := await archive.messages(conversation_id, after, READ_MAX):
        for some in _drafts(found):
            part = await _write(
                writer, author, RestoreMessages(conversation_id=conversation_id, messages=some)
            )
            whole = _sum(whole, part)
        after = found[-1].seq
    return whole


async def _write(writer: Writer, author: str, command: RestoreConversation | RestoreMessages) -> Revived:
    answer = await writer.submit(Draft(author, command, time.time_ns() // 1_000_000))
    assert isinstance(answer, Revived)
    return answer


def _drafts(found: Sequence[ArchivedMessage]) -> Iterator[tuple[ArchivedMessage, ...]]:
    some: list[ArchivedMessage] = []
    size = 0
    for message in found:
        if some and (len(some) == MESSAGES_PER_DRAFT_MAX or size + message.size_bytes > BYTES_PER_DRAFT_MAX):
            yield tuple(some)
            some, size = [], 0
        some.append(message)
        size += message.size_bytes
    yield tuple(some)


def _sum(whole: Revived, part: Revived) -> Revived:
    counted = {name: getattr(whole, name) + getattr(part, name) for name in COUNTED}
    return msgspec.structs.replace(whole, **counted)
