"""A client that folds: it draws pages and events, lets the higher changed_seq win, and does what a client owes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from chat.commands import ReadHistory
from chat.models import AnyEvent, Page, RowId
from chat.store import Recovered
from chat.timeline import Claim
from storage.sqlite import SQLiteStore
from tests.model.rule import Held
from tests.model.told import Told, told
from tests.support.stores import BYTES_MAX, EVENTS_MAX

STATE = ("content", "content_type", "changed_seq", "epoch", "is_edited", "is_deleted")


@dataclass
class Reader:
    """One client of one conversation: all that it would keep on its disk. Without `keeps_seen` it is an older one."""

    user: str
    conversation: int
    keeps_seen: bool
    view: dict[int, Told] = field(default_factory=dict)
    epoch: str = ""
    offset: int = 0
    seen: tuple[int, str] = (0, "")
    reload_due: bool = False

    def held(self) -> Held:
        """Name the position from which it would go on."""
        return Held(self.epoch, self.offset, self.seen if self.keeps_seen else None)

    def copy(self) -> Reader:
        """Return what is on its disk now, for a client that comes back with it much later."""
        return copy.deepcopy(self)

    async def reconnect(
        self, store: SQLiteStore, conversation_id: str, page_size: int, *, interrupted: bool
    ) -> bool:
        """Subscribe, and go on or reload; `interrupted` loses the connection after the first page.

        Returns whether it went on.
        """
        claim = None if self.reload_due else self._claim()
        found = await store.recover(self.user, conversation_id, claim, EVENTS_MAX, BYTES_MAX)
        if found.recovered:
            for event in found.events:
                self.fold(event)
            self._subscribed(found)
            return True
        self.view, self.seen, self.reload_due = {}, (0, ""), True
        self._subscribed(found)
        await self._reload(store, conversation_id, page_size, interrupted=interrupted)
        return False

    async def look(self, store: SQLiteStore, conversation_id: str, page_size: int) -> None:
        """Draw the newest page without moving the position: the events of what it shows are still to come."""
        page = await store.page(self.user, ReadHistory(conversation_id=conversation_id), page_size)
        if page.epoch == self.epoch and not self.reload_due:
            self._draw(page)

    def fold(self, event: AnyEvent) -> None:
        """Draw one event, unless something newer of its message is drawn already."""
        fields = told(event)
        if fields["type"] == "message":
            self._put(fields)
        elif "message_seq" in fields:
            self._change(fields)
        else:
            self._see(event.seq, str(fields["epoch"]))

    def _claim(self) -> Claim:
        return Claim(self.epoch, self.offset, RowId(*self.seen) if self.keeps_seen else None)

    def _subscribed(self, found: Recovered) -> None:
        self.epoch, self.offset = found.epoch, found.top.seq
        self.seen = max(self.seen, (found.top.seq, found.top.epoch))

    async def _reload(
        self, store: SQLiteStore, conversation_id: str, page_size: int, *, interrupted: bool
    ) -> None:
        query = ReadHistory(conversation_id=conversation_id)
        while True:
            page = await store.page(self.user, query, page_size)
            assert page.epoch == self.epoch, "a page and a subscription of one moment name two epochs"
            assert page.offset == self.offset, "a page and a subscription of one moment name two positions"
            self._draw(page)
            if page.next is None:
                self.reload_due = False
                return
            if interrupted:
                return
            query = ReadHistory(conversation_id=conversation_id, before=page.next)

    def _draw(self, page: Page) -> None:
        for message in page.items:
            self._put(told(message))

    def _put(self, fields: Told) -> None:
        self._see(int(fields["changed_seq"]), str(fields["epoch"]))
        known = self.view.get(fields["seq"])
        if known is None or known["changed_seq"] < fields["changed_seq"]:
            self.view[fields["seq"]] = fields

    def _change(self, fields: Told) -> None:
        self._see(int(fields["changed_seq"]), str(fields["epoch"]))
        known = self.view.get(fields["message_seq"])
        if known is None or known["changed_seq"] >= fields["changed_seq"]:
            return
        kept = {name: value for name, value in known.items() if name not in STATE}
        state = {name: fields[name] for name in STATE if name in fields}
        if fields["type"] == "message.deleted":
            state |= {"content_type": known["content_type"], "is_edited": known["is_edited"]}
        self.view[fields["message_seq"]] = kept | state

    def _see(self, seq: int, epoch: str) -> None:
        self.seen = max(self.seen, (seq, epoch))
