"""A database file in memory: one conversation and its generations, which answers by the server's own rule."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from chat.models import RowId
from chat.timeline import RESTORE, START, Claim, Footing, Generation, Timeline

CONVERSATION = "main:0192"
RECOVERED_MAX = 6
"""Events that a recovery sends at the most, so that reloads happen often."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    kind: str
    message_seq: int
    generation: int
    content: str = ""
    sender: str = ""
    key: str = ""


@dataclass
class History:
    """What one file holds. Rows are dense; row i has seq i + 1."""

    rows: list[Row] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)
    first_seq: int = 1

    @property
    def top(self) -> int:
        return len(self.rows)

    @property
    def epoch(self) -> str:
        return self.generations[-1].epoch

    def open(self, kind: str, epoch: str) -> None:
        number = len(self.generations) + 1
        self.generations.append(Generation(number=number, epoch=epoch, kind=kind, since_ms=0, cause="test"))

    def copy(self) -> History:
        return copy.deepcopy(self)

    def restored(self, epoch: str) -> History:
        restored = self.copy()
        restored.open(RESTORE, epoch)
        return restored

    def post(self, sender: str, key: str, content: str) -> tuple[int, bool]:
        for seq, row in enumerate(self.rows, 1):
            if row.kind == "message" and (row.sender, row.key) == (sender, key):
                return seq, True
        self._append("message", self.top + 1, content, sender, key)
        return self.top, False

    def join(self) -> None:
        self._append("joined", 0)

    def edit(self, seq: int, content: str) -> None:
        if not self.is_deleted(seq):
            self._append("edited", seq, content)

    def delete(self, seq: int) -> None:
        if not self.is_deleted(seq):
            self._append("deleted", seq)

    def purge_below(self, seq: int) -> None:
        self.first_seq = max(self.first_seq, min(seq, self.top + 1))

    def message_seqs(self) -> list[int]:
        return [
            seq for seq, row in enumerate(self.rows, 1) if row.kind == "message" and seq >= self.first_seq
        ]

    def is_deleted(self, seq: int) -> bool:
        return any(row.kind == "deleted" and row.message_seq == seq for row in self.rows)

    def row_id(self, seq: int) -> Json:
        if not seq:
            return {"seq": 0, "epoch": ""}
        return {"seq": seq, "epoch": self.generations[self.rows[seq - 1].generation - 1].epoch}

    def message(self, seq: int) -> Json:
        return {
            "type": "message",
            "conversation_id": CONVERSATION,
            "seq": seq,
            "sender": self.rows[seq - 1].sender,
            "client_message_id": self.rows[seq - 1].key,
            **self._state(seq),
        }

    def event(self, seq: int) -> Json:
        row = self.rows[seq - 1]
        match row.kind:
            case "message":
                return self.message(seq)
            case "edited":
                named = {"type": "message.edited", "seq": seq, "message_seq": row.message_seq, "actor": "bob"}
                return named | self._state(row.message_seq)
            case "deleted":
                named = {
                    "type": "message.deleted",
                    "seq": seq,
                    "message_seq": row.message_seq,
                    "actor": "bob",
                }
                return named | {"deleted_at": 1, "changed_seq": seq, "epoch": self.row_id(seq)["epoch"]}
        return {"type": "member.joined", "user": "carol", "role": "member", **self.row_id(seq)}

    def page(self, request: Json) -> Json:
        before = request.get("before", self.top + 1)
        seqs = [seq for seq in self.message_seqs() if seq < before][-request["limit"] :]
        return {
            "items": [self.message(seq) for seq in seqs],
            "next": None,
            "epoch": self.epoch,
            "offset": self.top,
        }

    def subscribed(self, request: Json) -> Json:
        """Answer a subscribe request by the rule of the timeline."""
        result: Json = {
            "recoverable": True,
            "positioned": True,
            "epoch": self.epoch,
            "data": {"epoch": self.epoch, "top": self.row_id(self.top), "first_seq": self.first_seq},
        }
        offset = request.get("offset", 0)
        if not request.get("recover"):
            return result | {"offset": self.top}
        if not self._recovers(request) or self.top - offset > RECOVERED_MAX:
            return result | {"offset": self.top, "was_recovering": True}
        missed = [{"data": self.event(seq), "offset": seq} for seq in range(offset + 1, self.top + 1)]
        return result | {
            "offset": offset,
            "recovered": True,
            "was_recovering": True,
            "publications": missed,
        }

    def _recovers(self, request: Json) -> bool:
        seen = request["data"].get("seen")
        claim = Claim(
            request["epoch"], request["offset"], RowId(seen["seq"], seen["epoch"]) if seen else None
        )
        exists = self.first_seq <= claim.anchor <= self.top
        generation = self.rows[claim.anchor - 1].generation if exists else None
        return Timeline(self.generations).recovers(claim, Footing(self.first_seq, self.top, generation))

    def _state(self, seq: int) -> Json:
        changes = [changed for changed, row in enumerate(self.rows, 1) if row.message_seq == seq]
        changed = changes[-1]
        state: Json = {"changed_seq": changed, "epoch": self.row_id(changed)["epoch"]}
        if self.is_deleted(seq):
            return state | {"deleted_at": 1}
        edited = {"edited_at": 1} if changed != seq else {}
        return state | {"content": self.rows[changed - 1].content} | edited

    def _append(
        self, kind: str, message_seq: int, content: str = "", sender: str = "", key: str = ""
    ) -> None:
        self.rows.append(Row(kind, message_seq, self.generations[-1].number, content, sender, key))


def new_history(epoch: str = "e1") -> History:
    history = History()
    history.open(START, epoch)
    return history
