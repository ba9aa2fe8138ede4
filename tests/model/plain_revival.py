"""The plain model of a revival: what a conversation of then brings back into that of today."""

from __future__ import annotations

from dataclasses import replace

from tests.model.plain import PlainFile, Talk

OPERATOR = "operator"


def bring_back(file: PlainFile, talk: Talk, then: Talk, removed: set[str]) -> None:
    """Bring back members who did not leave since, and messages that are missing or deleted."""
    _bring_members(file, talk, then, removed)
    for said in [said for _, said in sorted(then.messages.items()) if not said.is_deleted]:
        today = talk.keys.get((said.sender, said.key))
        if today is None:
            answered = then.messages.get(said.reply_to or 0)
            reply_to = None if answered is None else talk.keys.get((answered.sender, answered.key))
            seq = file.take(talk, "message", said.sender)
            talk.keys[said.sender, said.key] = seq
            talk.messages[seq] = replace(said, changed_seq=seq, reply_to=reply_to)
        elif talk.messages[today].is_deleted and talk.messages[today].first_asked == said.first_asked:
            stone = talk.messages[today]
            stone.changed_seq = file.take(talk, "message.restored", OPERATOR, message_seq=today)
            stone.content, stone.is_edited, stone.is_deleted = said.content, said.is_edited, False


def _bring_members(file: PlainFile, talk: Talk, then: Talk, removed: set[str]) -> None:
    parted_then = {
        (seq, row.epoch) for seq, row in enumerate(then.rows, start=1) if row.kind == "member.left"
    }
    parted_since = {
        row.person
        for seq, row in enumerate(talk.rows, start=1)
        if row.kind == "member.left" and (seq, row.epoch) not in parted_then
    }
    for person in sorted(then.roles):
        if person not in talk.roles and person not in removed | parted_since:
            file.take(talk, "member.joined", OPERATOR, person=person)
            talk.roles[person] = "member"
