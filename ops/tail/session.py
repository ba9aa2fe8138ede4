"""One connection's talk with the server, without input or output: replies in, effects out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, groupby
from typing import TypeVar

import msgspec

from ops.tail.effects import Effect, Introduce, Keep, Pause, Reject, Send
from ops.tail.ending import (
    UNKNOWN_CONVERSATION,
    Lost,
    ending_of_close,
    ending_of_failure,
    unknown_conversation,
)
from ops.tail.outbox import Outbox
from ops.tail.records import Draft, Settled
from ops.tail.timeline import Contradiction, Timeline
from ops.tail.wire import Ack, Command, Failure, Name, Page, Parting, Publication, Push, Reply, Subscribed

UNRECOVERABLE = 112
TOO_LARGE = 413
RESUBSCRIBE_FROM = 2500
FRAME_BYTES_MAX = 64 * 1024
"""The largest frame that the server takes; over a larger one it would close the connection each time."""

ENDS_EVERYTHING = frozenset({101, UNKNOWN_CONVERSATION, 109})
"""Errors of a send that say nothing about the line, but about the reader."""

REMOVED = "conversation.removed"


Result = TypeVar("Result", Ack, Name, Page)


class News(msgspec.Struct, frozen=True):
    """What the user's own channel tells of one of his conversations."""

    type: str = ""
    conversation_id: str = ""


class Session:
    """The commands of one connection and what their answers mean for `timeline` and `outbox`.

    With `introduces`, it first asks how the conversation is called, so that this is said before all else.
    Each method is a generator of effects, to be carried out one by one; it raises Lost or Ending where
    they end.
    """

    def __init__(
        self, conversation: str, timeline: Timeline, outbox: Outbox, *, introduces: bool = False
    ) -> None:
        self._conversation = conversation
        self._timeline = timeline
        self._outbox = outbox
        self._introduces = introduces
        self._ids = count(1)
        self._introducing = 0
        self._subscribing = 0
        self._paging = 0
        self._sending = 0
        self._paused = False

    def open(self, token: str) -> Iterator[Effect]:
        """Connect and subscribe."""
        yield Send({"id": next(self._ids), "connect": {"token": token, "name": "palaver-tail"}})
        if self._introduces:
            self._introducing = next(self._ids)
            data = {"conversation_id": self._conversation}
            yield Send({"id": self._introducing, "rpc": {"method": "conversation", "data": data}})
        else:
            yield from self._subscribe()

    def receive(self, replies: Sequence[Reply]) -> Iterator[Effect]:
        """Take one frame; events that follow each other in it are kept and drawn together."""
        try:
            for is_event, group in groupby(replies, self._is_event):
                if is_event:
                    yield from self._timeline.published(_publications(group))
                else:
                    for reply in group:
                        yield from self._take(reply)
        except Contradiction as contradiction:
            yield from self._timeline.distrust()
            raise Lost(str(contradiction)) from contradiction
        yield from self.flush()

    def flush(self) -> Iterator[Effect]:
        """Send the first draft, if none is on its way and the timeline is live."""
        while (draft := self._due()) is not None:
            if not draft.first_sent_epoch:
                draft = self._outbox.stamp(draft, self._timeline.epoch)
                yield Keep((draft,))
            command = self._send_command(draft)
            if len(msgspec.json.encode(command)) > FRAME_BYTES_MAX:
                yield from self._reject(draft, TOO_LARGE, "too large for one message")
            else:
                self._sending = next(self._ids)
                yield Send({"id": self._sending} | command)

    def resume(self) -> Iterator[Effect]:
        """Go on with the outbox after a pause."""
        self._paused = False
        yield from self.flush()

    def _due(self) -> Draft | None:
        free = self._timeline.is_live and not self._sending and not self._paused
        return self._outbox.first if free else None

    def _subscribe(self) -> Iterator[Effect]:
        self._subscribing, self._paging = next(self._ids), 0
        yield Send({"id": self._subscribing, "subscribe": self._timeline.subscription(self._conversation)})

    def _is_event(self, reply: Reply) -> bool:
        push = reply.push
        return push is not None and push.pub is not None and push.channel == self._conversation

    def _take(self, reply: Reply) -> Iterator[Effect]:
        if reply.push is not None:
            yield from self._pushed(reply.push)
        elif reply.id and reply.id == self._sending:
            yield from self._answered(reply)
        elif reply.id and reply.id == self._introducing:
            yield from self._introduced(reply)
        elif reply.error is not None:
            yield from self._failed(reply.id, reply.error)
        elif reply.id and reply.id == self._subscribing:
            yield from self._subscribed(reply.subscribe or Subscribed())
        elif reply.id and reply.id == self._paging:
            yield from self._paged(reply)

    def _introduced(self, reply: Reply) -> Iterator[Effect]:
        # Where that was refused, the subscription tells for what reason.
        if reply.error is None:
            yield Introduce(_result(reply, Name))
        yield from self._subscribe()

    def _subscribed(self, result: Subscribed) -> Iterator[Effect]:
        yield from self._timeline.subscribed(result)
        page = self._timeline.page_request(self._conversation)
        if page is not None:
            self._paging = next(self._ids)
            yield Send({"id": self._paging, "rpc": {"method": "history", "data": page}})

    def _paged(self, reply: Reply) -> Iterator[Effect]:
        self._paging = 0
        yield from self._timeline.paged(_result(reply, Page))

    def _failed(self, id: int, failure: Failure) -> Iterator[Effect]:
        if id == self._subscribing and failure.code == UNRECOVERABLE:
            yield from self._timeline.distrust()
            yield from self._subscribe()
        else:
            raise ending_of_failure(failure, self._conversation)

    def _answered(self, reply: Reply) -> Iterator[Effect]:
        self._sending = 0
        draft = self._outbox.first
        assert draft is not None
        if reply.error is None:
            yield from self._timeline.acked(_result(reply, Ack))
            self._outbox.settle(draft)
            yield Keep((Settled(draft.client_message_id),), durable=False)
        elif reply.error.temporary:
            self._paused = True
            yield Pause(reply.error.message)
        elif reply.error.code in ENDS_EVERYTHING:
            raise ending_of_failure(reply.error, self._conversation)
        else:
            yield from self._reject(draft, reply.error.code, reply.error.message)

    def _reject(self, draft: Draft, code: int, reason: str) -> Iterator[Effect]:
        yield Reject(draft, code, reason)
        self._outbox.settle(draft)
        yield Keep((Settled(draft.client_message_id),))

    def _pushed(self, push: Push) -> Iterator[Effect]:
        if push.disconnect is not None:
            raise ending_of_close(push.disconnect.code, push.disconnect.reason)
        if push.unsubscribe is not None and push.channel == self._conversation:
            yield from self._unsubscribed(push.unsubscribe)
        if push.pub is not None:
            self._check_news(push.pub)

    def _unsubscribed(self, parting: Parting) -> Iterator[Effect]:
        if parting.code < RESUBSCRIBE_FROM:
            raise unknown_conversation(self._conversation)
        yield from self._subscribe()

    def _check_news(self, publication: Publication) -> None:
        news = msgspec.json.decode(publication.data, type=News)
        if news == News(REMOVED, self._conversation):
            raise unknown_conversation(self._conversation)

    def _send_command(self, draft: Draft) -> Command:
        data = {
            "conversation_id": self._conversation,
            "client_message_id": draft.client_message_id,
            "content": draft.content,
            "first_sent_epoch": draft.first_sent_epoch,
        }
        return {"rpc": {"method": "send", "data": data}}


def _publications(replies: Iterator[Reply]) -> list[Publication]:
    return [reply.push.pub for reply in replies if reply.push is not None and reply.push.pub is not None]


def _result(reply: Reply, type: type[Result]) -> Result:
    return msgspec.json.decode(reply.rpc.data if reply.rpc else b"{}", type=type)
