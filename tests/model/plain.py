"""The plain model: what one database file must hold and answer, in lists and dicts, written from the rules alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.model.asks import OWNER, Admit, Alter, Ask, Dismiss, Erase, Poison, Say

Answer = dict[str, Any]


class Refused(Exception):
    """The rules refuse a draft; the argument is the name of the error."""


@dataclass(frozen=True)
class Opening:
    """One generation of a file."""

    epoch: str
    kind: str
    synchronous: str = "full"
    replays: str = "accept"
    ledger: str = "apply"


@dataclass(frozen=True)
class Row:
    """What took a seq: the number of its opening, what it was, by whom, and of which message or person."""

    opening: int
    epoch: str
    kind: str
    actor: str
    message_seq: int | None = None
    person: str | None = None


@dataclass
class Said:
    """A message as it stands."""

    sender: str
    key: str
    first_asked: tuple[object, ...]
    content: str | None
    changed_seq: int
    reply_to: int | None
    is_edited: bool = False
    is_deleted: bool = False


@dataclass
class Talk:
    """A conversation: its rows by seq from 1 on, its messages, its people and the keys that were used."""

    id: str
    rows: list[Row] = field(default_factory=list)
    messages: dict[int, Said] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=lambda: {OWNER: "owner", "bob": "member"})
    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    change_keys: dict[tuple[str, str], tuple[int, tuple[object, ...]]] = field(default_factory=dict)

    @property
    def top(self) -> int:
        """The newest seq."""
        return len(self.rows)

    def epoch_at(self, seq: int) -> str | None:
        """The epoch of the row at `seq`, None where there is none."""
        return self.rows[seq - 1].epoch if 1 <= seq <= self.top else None

    def version_at(self, seq: int) -> str:
        """The version that names the row at `seq`."""
        return f"{self.rows[seq - 1].epoch}.{seq}"


@dataclass
class PlainFile:
    """One file at one moment: the openings that it knows of, and its conversations."""

    openings: list[Opening]
    talks: list[Talk] = field(default_factory=list)
    created_in: str = ""

    def ask(self, ask: Ask) -> Answer | str:
        """Do what is asked; return the answer, or the name of the error that refuses it."""
        talk = self.talks[ask.conversation]
        try:
            if isinstance(ask, Poison):
                self._role(talk, ask.user)
                return "internal"
            return _DEEDS[type(ask)](self, talk, ask)  # type: ignore[operator, no-any-return]
        except Refused as refusal:
            return str(refusal)

    def refuses_replay(self, stamp: str | None) -> bool:
        """Tell whether a draft first sent in that epoch was rewound away on purpose."""
        refusing = [n for n, opening in enumerate(self.openings) if opening.replays == "refuse"]
        if stamp is None or not refusing:
            return False
        sent = [n for n, opening in enumerate(self.openings) if opening.epoch == stamp]
        return not sent or sent[0] < max(refusing)

    def _say(self, talk: Talk, ask: Say) -> Answer:
        self._role(talk, ask.user)
        asked = (ask.content, ask.reply_to)
        known = talk.keys.get((ask.user, ask.key or ""))
        if known is not None:
            if talk.messages[known].first_asked != asked:
                raise Refused("key_reused")
            return {"seq": known, "duplicate": True, "version": talk.version_at(known)}
        if self.refuses_replay(ask.stamp):  # type: ignore[arg-type]
            raise Refused("replay_refused")
        if ask.reply_to is not None and ask.reply_to not in talk.messages:
            raise Refused("unknown")
        seq = self.take(talk, "message", ask.user)
        talk.keys[ask.user, ask.key or ""] = seq
        talk.messages[seq] = Said(ask.user, ask.key or "", asked, ask.content, seq, ask.reply_to)
        return {"seq": seq, "duplicate": False, "version": talk.version_at(seq)}

    def _alter(self, talk: Talk, ask: Alter) -> Answer:
        self._role(talk, ask.user)
        asked = ("edit", ask.seq, ask.content)
        if earlier := self._earlier(talk, ask, asked):
            return earlier
        said = self._said(talk, ask.seq)
        self._check_version(talk, ask.seq, ask.version)
        if said.is_deleted:
            raise Refused("unknown")
        if said.sender != ask.user:
            raise Refused("permission_denied")
        seq = self.take(talk, "message.edited", ask.user, message_seq=ask.seq, ask=ask, asked=asked)
        said.content, said.changed_seq, said.is_edited = ask.content, seq, True
        return self._changed(talk, seq)

    def _erase(self, talk: Talk, ask: Erase) -> Answer:
        role = self._role(talk, ask.user)
        asked = ("delete", ask.seq)
        if earlier := self._earlier(talk, ask, asked):
            return earlier
        said = self._said(talk, ask.seq)
        if said.is_deleted:
            self._lineage(talk, ask.seq, ask.version)
            return self._changed(talk, said.changed_seq, duplicate=True)
        self._check_version(talk, ask.seq, ask.version)
        if said.sender != ask.user and role != "owner":
            raise Refused("permission_denied")
        seq = self.take(talk, "message.deleted", ask.user, message_seq=ask.seq, ask=ask, asked=asked)
        said.content, said.changed_seq, said.is_deleted = None, seq, True
        return self._changed(talk, seq)

    def _admit(self, talk: Talk, ask: Admit) -> Answer:
        role = self._role(talk, ask.user)
        asked = ("add", ask.guest)
        if earlier := self._earlier(talk, ask, asked):
            return earlier
        if role != "owner":
            raise Refused("permission_denied")
        if ask.guest in talk.roles:
            version = talk.version_at(talk.top) if talk.top else f"{self.created_in}.0"
            return {"seq": talk.top, "duplicate": True, "version": version, "message_seq": None}
        seq = self.take(talk, "member.joined", ask.user, person=ask.guest, ask=ask, asked=asked)
        talk.roles[ask.guest] = "member"
        return self._changed(talk, seq)

    def _dismiss(self, talk: Talk, ask: Dismiss) -> Answer:
        role = self._role(talk, ask.user)
        asked = ("remove", ask.guest)
        if earlier := self._earlier(talk, ask, asked):
            return earlier
        self._role(talk, ask.guest)
        if ask.user != ask.guest and role != "owner":
            raise Refused("permission_denied")
        seq = self.take(talk, "member.left", ask.user, person=ask.guest, ask=ask, asked=asked)
        del talk.roles[ask.guest]
        return self._changed(talk, seq)

    def _role(self, talk: Talk, user: str) -> str:
        if user not in talk.roles:
            raise Refused("unknown")
        return talk.roles[user]

    def _said(self, talk: Talk, seq: int) -> Said:
        if seq not in talk.messages:
            raise Refused("unknown")
        return talk.messages[seq]

    def _earlier(self, talk: Talk, ask: Ask, asked: tuple[object, ...]) -> Answer | None:
        known = talk.change_keys.get((ask.user, ask.key or ""))
        if ask.key is None or known is None:
            return None
        seq, first_asked = known
        if first_asked != asked:
            raise Refused("key_reused")
        return self._changed(talk, seq, duplicate=True)

    def take(
        self,
        talk: Talk,
        kind: str,
        actor: str,
        *,
        message_seq: int | None = None,
        person: str | None = None,
        ask: Ask | None = None,
        asked: tuple[object, ...] = (),
    ) -> int:
        """Give out the next seq to what happened."""
        here = len(self.openings) - 1
        talk.rows.append(Row(here, self.openings[here].epoch, kind, actor, message_seq, person))
        if ask is not None and ask.key is not None:
            talk.change_keys[actor, ask.key] = (talk.top, asked)
        return talk.top

    def _changed(self, talk: Talk, seq: int, *, duplicate: bool = False) -> Answer:
        row = talk.rows[seq - 1]
        return {
            "seq": seq,
            "duplicate": duplicate,
            "version": talk.version_at(seq),
            "message_seq": row.message_seq,
        }

    def _check_version(self, talk: Talk, seq: int, version: str | int | None) -> None:
        named = self._lineage(talk, seq, version)
        if named is not None and named != talk.messages[seq].changed_seq:
            raise Refused("version_mismatch")

    def _lineage(self, talk: Talk, seq: int, version: str | int | None) -> int | None:
        """Return the seq that a version names, if the row there is still that row and one of this message's."""
        if version is None:
            return None
        epoch, named = str(version).split(".")
        changed_seq = int(named)
        if talk.epoch_at(changed_seq) != epoch:
            raise Refused("unrecoverable_position")
        if changed_seq != seq and talk.rows[changed_seq - 1].message_seq != seq:
            raise Refused("unrecoverable_position")
        return changed_seq


_DEEDS = {
    Say: PlainFile._say,
    Alter: PlainFile._alter,
    Erase: PlainFile._erase,
    Admit: PlainFile._admit,
    Dismiss: PlainFile._dismiss,
}
