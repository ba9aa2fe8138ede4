"""Random histories on the real store hold against the plain model; and the machine that says so can fail."""

from __future__ import annotations

from contextlib import closing

import pytest

from chat.timeline import Claim, Footing, Timeline
from storage.engine import sqlite3
from tests.model.machine import Histories
from tests.model.plain import Talk
from tests.model.plain_ledger import PlainLedger
from tests.model.rule import Held
from tests.model.running import fails, run
from tests.model.world import World

HISTORIES = 8
STEPS = 25
HISTORIES_OF_CONTROLS = 200


def test_random_histories_hold_against_the_plain_model() -> None:
    run(Histories, HISTORIES, STEPS)


def test_a_rule_that_looks_at_the_offset_alone_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def recovers(_: Timeline, claim: Claim, footing: Footing) -> bool:
        return claim.offset <= footing.last_seq

    class Believing(World):
        """Believes the broken rule, so that only what the clients see can tell."""

        def expects_to_go_on(self, talk: Talk, held: Held) -> bool:
            return held.offset <= talk.top

    monkeypatch.setattr(Timeline, "recovers", recovers)
    assert "does not see the conversation of today" in fails(
        histories_of(Believing), HISTORIES_OF_CONTROLS, STEPS
    )


def test_a_restore_that_does_not_say_so_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(World):
        """Puts copies in place as if nothing had been after them."""

        def mark_restored(self, replays: str, ledger: str = "apply") -> None:
            self.has_ended = False

    # What was noted beside the file would tell, and the ledger too.
    monkeypatch.setattr("storage.noted.judge", lambda *_: None)
    monkeypatch.setattr("storage.sqlite.agree", lambda *_: None)
    monkeypatch.setattr(PlainLedger, "settle", lambda *_: None)

    assert "does not see the conversation of today" in fails(
        histories_of(Silent), HISTORIES_OF_CONTROLS, STEPS
    )


def test_a_store_that_gives_a_seq_twice_is_found_out() -> None:
    class Forgetful(World):
        """Loses the newest message in a crash, and gives its seq to the next."""

        async def crash(self) -> None:
            await super().crash()
            with closing(sqlite3.connect(self.path)) as connection, connection:
                connection.executescript(
                    """
                    DELETE FROM messages WHERE (conversation, seq) IN (SELECT number, last_seq FROM conversations);
                    UPDATE conversations SET last_seq = max(
                        (SELECT coalesce(max(seq), 0) FROM messages WHERE conversation = number),
                        (SELECT coalesce(max(seq), 0) FROM changes WHERE conversation = number)
                    );
                    """
                )

    assert fails(histories_of(Forgetful), HISTORIES_OF_CONTROLS, STEPS)


def histories_of(world: type[World]) -> type[Histories]:
    """Make the machine that works on another world."""

    class HistoriesOfAControl(Histories):
        world_of = world

    return HistoriesOfAControl
