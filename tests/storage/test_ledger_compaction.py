"""A ledger that is written anew says what it said before, whatever happens in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage import ledger
from storage.ledger import Entry, Ledger, Record, Void
from tests.support.stores import OpenStore

ROUNDS = 40
Said = tuple[list[Entry], str]
UNKNOWN = b'{"record":"of a later release","file":"main.db"}\n'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any ledger for a large one."""
    monkeypatch.setattr(ledger, "COMPACT_ABOVE_BYTES", 0)


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    """Return a ledger of two files that is full of what counts no more."""
    main, luna = Ledger(tmp_path / "main.db"), Ledger(tmp_path / "persona_luna.db")
    for number in range(1, ROUNDS):
        main.append([removed("main", number), removed("luna", number), void("main", number)])
        main.append([main.opened(f"main{number}")])
        luna.append([luna.opened(f"luna{number}")])
    luna.append([void("luna", number) for number in range(3, ROUNDS)])
    luna.append([removed("luna", 3)])
    with main.path.open("ab") as file:
        file.write(UNKNOWN + b'{"record":"ev')
    return main


def test_what_counts_no_more_goes_and_the_rest_is_said_in_the_same_order(book: Ledger) -> None:
    before, lines = said(book), len(book.path.read_bytes().splitlines())
    assert [entry.seq for entry in before[1][0]] == [1, 2, 3]
    book.compact()
    assert said(book) == before
    assert len(book.path.read_bytes().splitlines()) == 7 < lines
    assert UNKNOWN in book.path.read_bytes()
    assert book.path.stat().st_mode & 0o777 == 0o600
    compact = book.path.read_bytes()
    book.compact()
    assert book.path.read_bytes() == compact, "nothing is gained by doing it again"


def test_a_small_ledger_and_one_that_mostly_counts_are_left_alone(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "COMPACT_ABOVE_BYTES", book.path.stat().st_size)
    before = book.path.read_bytes()
    book.compact()
    assert book.path.read_bytes() == before
    monkeypatch.setattr(ledger, "COMPACT_ABOVE_BYTES", 0)
    book.append([removed("main", number) for number in range(1000, 2000)])
    before = book.path.read_bytes()
    book.compact()
    assert book.path.read_bytes() == before


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_in_the_middle_loses_nothing(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    before = said(book)
    with monkeypatch.context() as patched:
        patched.setattr(os, step, crashing(getattr(os, step), after=after))
        with pytest.raises(KeyboardInterrupt):
            book.compact()
    assert said(book) == before
    book.append([removed("main", 99)])
    book.compact()
    assert [entry.seq for entry in said(book)[0][0]] == [99]
    assert said(book)[1] == before[1]


def test_who_appends_while_it_is_written_anew_is_not_lost(book: Ledger) -> None:
    def append(number: int) -> None:
        book.append([removed("main", number), *[void("luna", 1000 + number)] * 20])

    with ThreadPoolExecutor(8) as threads:
        appended = [threads.submit(append, number) for number in range(200, 400)]
        compacted = [threads.submit(book.compact) for _ in range(100)]
        for done in [*appended, *compacted]:
            done.result()
    assert sorted(entry.seq for entry in said(book)[0][0]) == list(range(200, 400))
    book.compact()
    assert sorted(entry.seq for entry in said(book)[0][0]) == list(range(200, 400))


async def test_an_opening_does_it(store: OpenStore) -> None:
    path = store.path.with_name(ledger.LEDGER_FILE)
    for _ in range(4):
        await store.restart()
    assert path.read_bytes().count(b'"opened"') <= 2


def removed(persona: str, seq: int) -> Entry:
    return Entry(
        conversation_id=f"{persona}:00000000-0000-7000-8000-000000000000",
        seq=seq,
        epoch="e",
        kind="member.left",
        actor="alice",
        at_ms=1,
        user=f"user{seq}",
    )


def void(persona: str, seq: int) -> Record:
    entry = removed(persona, seq)
    return Void(conversation_id=entry.conversation_id, seq=entry.seq, epoch=entry.epoch)


def said(book: Ledger) -> tuple[Said, Said]:
    """Return what the ledger says of both files: entries in their order, and when it last agreed."""
    books = book.read("main"), Ledger(book.path.with_name("persona_luna.db")).read("luna")
    main, luna = ((list(each.entries.values()), each.agreed_epoch) for each in books)
    return main, luna


def crashing(act: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return what ends the process, as far as anybody here can see, before or after it acts."""

    def crash(*arguments: Any) -> Any:
        if after:
            act(*arguments)
        raise KeyboardInterrupt

    return crash
