"""The plain model of the ledger: what was removed and deleted in any past, and what of it must be done again."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.plain import PlainFile, Talk

RECORDED = ("message.deleted", "message.restored", "member.joined", "member.left")
FORBIDS = ("message.deleted", "member.left")


@dataclass(frozen=True)
class Word:
    """One event that the ledger knows, and whom or what it is about."""

    kind: str
    actor: str
    person: str | None
    message: tuple[int, str | None] | None


Key = tuple[str, int, str]


class PlainLedger:
    """The words that count, each under the row of its event, in their order."""

    def __init__(self) -> None:
        self.words: dict[Key, Word] = {}

    def note(self, file: PlainFile) -> None:
        """Take in what stands in a file and was not known."""
        for talk in file.talks:
            for key, word in words_of(talk).items():
                self.words.setdefault(key, word)

    def settle(self, file: PlainFile) -> None:
        """Do again what a restore took back, unless it was a restore that waives all that."""
        turns = [opening for opening in file.openings if opening.kind != "start"]
        waived = bool(turns) and turns[-1].ledger == "skip"
        for talk in file.talks:
            standing = words_of(talk)
            abandoned = {
                key: word for key, word in self.words.items() if key[0] == talk.id and key not in standing
            }
            last = {(word.person, word.message): word for word in abandoned.values()}
            for word in last.values():
                if word.kind in FORBIDS and not waived:
                    _do_again(file, talk, word)
            for key, word in abandoned.items():
                if waived or word.message is None or _is_here(talk, word.message):
                    del self.words[key]

    def removed(self, talk: Talk, then: Talk) -> set[str]:
        """Name those whose last word, among what was not known then, is that they left."""
        known = words_of(then)
        last = {
            word.person: word.kind
            for key, word in self.words.items()
            if key[0] == talk.id
            and word.person is not None
            and not (key in known and known[key].kind == "member.left")
        }
        return {person for person, kind in last.items() if person and kind == "member.left"}


def words_of(talk: Talk) -> dict[Key, Word]:
    """Return what of a conversation belongs into the ledger."""
    found = {}
    for seq, row in enumerate(talk.rows, start=1):
        if row.kind in RECORDED:
            message = row.message_seq and (row.message_seq, talk.epoch_at(row.message_seq))
            found[talk.id, seq, row.epoch] = Word(row.kind, row.actor, row.person, message or None)
    return found


def _do_again(file: PlainFile, talk: Talk, word: Word) -> None:
    if word.person is not None:
        if word.person in talk.roles:
            file.take(talk, "member.left", word.actor, person=word.person)
            del talk.roles[word.person]
        return
    assert word.message is not None
    seq = word.message[0]
    if _is_here(talk, word.message) and not talk.messages[seq].is_deleted:
        said = talk.messages[seq]
        said.changed_seq = file.take(talk, "message.deleted", word.actor, message_seq=seq)
        said.content, said.is_deleted = None, True


def _is_here(talk: Talk, message: tuple[int, str | None]) -> bool:
    seq, epoch = message
    return talk.epoch_at(seq) == epoch
