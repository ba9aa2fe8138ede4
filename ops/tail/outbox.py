"""The lines that were typed and are not acked yet, in their order, each under its permanent key."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import uuid_utils

from ops.tail.records import Draft

OUTBOX_MAX = 1_000
"""Drafts that wait at the most; beyond, nothing more is read from standard input until some are acked."""


class Outbox:
    """Drafts in the order of their typing; only the first is ever on its way, which keeps that order."""

    def __init__(self, drafts: Iterable[Draft] = ()) -> None:
        self._drafts = {draft.client_message_id: draft for draft in drafts}

    def __len__(self) -> int:
        return len(self._drafts)

    @property
    def first(self) -> Draft | None:
        """Return the draft whose turn it is."""
        return next(iter(self._drafts.values()), None)

    @property
    def has_room(self) -> bool:
        """Tell whether another line may be taken."""
        return len(self._drafts) < OUTBOX_MAX

    def add(self, content: str) -> Draft:
        """Take a line and give it its key."""
        draft = Draft(client_message_id=str(uuid_utils.uuid7()), content=content)
        self._drafts[draft.client_message_id] = draft
        return draft

    def stamp(self, draft: Draft, epoch: str) -> Draft:
        """Note the epoch in which a draft is first sent; it keeps that one for ever."""
        stamped = msgspec.structs.replace(draft, first_sent_epoch=epoch)
        self._drafts[draft.client_message_id] = stamped
        return stamped

    def settle(self, draft: Draft) -> None:
        """Let go of a draft that was acked or refused for good."""
        del self._drafts[draft.client_message_id]
