"""A reader against a server that drops, forgets, repeats itself and comes back as another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from ops.tail import backoff, connection, outbox
from ops.tail.ending import ExitCode
from ops.tail.follower import Wish
from ops.tail.timeline import Timeline
from ops.tail.token import Token
from tests.ops.tail.history import CONVERSATION
from tests.ops.tail.process import TailTask
from tests.ops.tail.server import TailServer, refuses
from tests.support.waiting import until

SECRET = "a secret that nobody here needs to know"
TOKEN = jwt.encode({"sub": "alice"}, SECRET, "HS256")


@pytest.fixture(autouse=True)
def _comes_back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.1)


@pytest.fixture
async def server() -> AsyncIterator[TailServer]:
    async with TailServer() as server:
        yield server


class Tails:
    """Starts readers again and again on the same folder, and leaves none running."""

    def __init__(self, server: TailServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self._started: list[TailTask] = []

    def start(
        self,
        *,
        limit: int = 50,
        exit_after: int = 0,
        exit_when_sent: bool = False,
        at_terminal: bool = False,
        token: Token | None = None,
    ) -> TailTask:
        wish = Wish(
            url=self.server.url,
            conversation=CONVERSATION,
            page_size=limit,
            exit_after=exit_after,
            exit_when_sent=exit_when_sent,
            at_terminal=at_terminal,
        )
        tail = TailTask(wish, token or Token(TOKEN, None), self.folder)
        self._started.append(tail)
        return tail

    async def run(self, *typed: str) -> tuple[ExitCode, TailTask]:
        """Run one until all that is typed was sent."""
        tail = self.start(exit_when_sent=True)
        tail.type(*typed)
        tail.end_input()
        return await tail.ends(), tail

    async def close(self) -> None:
        for tail in self._started:
            await tail.kill()


@pytest.fixture
async def tails(server: TailServer, tmp_path: Path) -> AsyncIterator[Tails]:
    tails = Tails(server, tmp_path / "state")
    yield tails
    await tails.close()


async def test_it_shows_the_newest_messages_then_what_happens(server: TailServer, tails: Tails) -> None:
    for text in ("one", "two", "three"):
        await server.post(text)
    tail = tails.start(limit=2)
    await tail.shows("two", "three")
    await server.post("four")
    server.history.edit(4, "vier")
    server.history.delete(3)
    await server.push()
    await tail.shows("two", "[deleted]", "vier")
    assert tail.types() == [
        "reload",
        "message",
        "message",
        "message",
        "message.edited",
        "message.deleted",
    ]


async def test_what_is_typed_is_sent_once_and_shown_once(server: TailServer, tails: Tails) -> None:
    server.acks_twice = True
    tail = tails.start()
    tail.type("hi", "", "there")
    await tail.shows("hi", "there")
    assert [send["content"] for send in server.sends] == ["hi", "there"]
    assert [event["sender"] for event in tail.events if event["type"] == "message"] == ["alice", "alice"]


async def test_a_line_whose_ack_was_lost_is_sent_again_under_its_key(
    server: TailServer, tails: Tails
) -> None:
    server.faults["send"].append(server.stores_and_drops)
    tail = tails.start()
    tail.type("hi")
    await tail.shows("hi")
    await until(lambda: len(server.sends) == 2, "the second sending")
    first, second = server.sends
    assert first == second
    assert server.history.top == 1


async def test_it_goes_on_after_the_server_was_away_and_says_so(server: TailServer, tails: Tails) -> None:
    tail = tails.start()
    await server.post("one")
    await tail.shows("one")
    await server.stop()
    await tail.notes("trying again")
    server.history.open("start", "e2")
    server.history.post("bob", "k", "two")
    tail.type("three")
    await server.start()
    await tail.shows("one", "two", "three")
    await tail.notes("connected again")
    assert tail.types().count("reload") == 1


async def test_a_restore_that_lost_what_was_shown_is_reloaded(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    before = server.history.copy()
    tail = tails.start()
    await server.post("two")
    await tail.shows("one", "two")
    server.drop()
    server.history = before.restored("e2")
    server.history.post("bob", "other", "another two")
    await tail.shows("one", "another two")
    assert tail.types().count("reload") == 2


async def test_a_restore_that_kept_what_was_shown_costs_nothing(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    tail = tails.start()
    await tail.shows("one")
    server.drop()
    server.history = server.history.restored("e2")
    await server.post("two")
    await tail.shows("one", "two")
    assert tail.types().count("reload") == 1


async def test_a_drop_in_the_middle_of_a_reload_leaves_it_due(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    tail = tails.start()
    await tail.shows("one")
    server.faults["subscribe"].append(server.does_not_recover)
    server.faults["history"].extend([server.drops, server.pages_another_epoch])
    server.drop()
    await until(lambda: server.asked["history"] == 4, "the page to be asked for until it comes right")
    await tail.shows("one")
    await until(lambda: len(tail.types()) == 4, "the second reload to be drawn")
    assert tail.types() == ["reload", "message", "reload", "message"]


async def test_a_reload_stays_due_over_the_death_of_the_command(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    first = tails.start()
    await first.shows("one")
    server.faults["subscribe"].append(server.does_not_recover)
    server.faults["history"].append(lambda _, __: None)
    server.drop()
    await until(lambda: server.asked["history"] == 2, "the page to be asked for")
    await first.kill()
    second = tails.start()
    await second.shows("one")
    assert second.types() == ["reload", "message"]


async def test_temporary_refusals_are_waited_out_and_keep_the_order(server: TailServer, tails: Tails) -> None:
    server.faults["connect"].append(refuses(100, "internal", temporary=True))
    server.faults["subscribe"].append(refuses(111, "too many requests", temporary=True))
    server.faults["send"].extend([refuses(503, "unavailable", temporary=True)] * 2)
    code, tail = await tails.run("one", "two")
    assert code is ExitCode.DONE
    assert [row.content for row in server.history.rows] == ["one", "two"]
    await tail.notes("the server takes no lines now (unavailable)")


async def test_refused_lines_are_put_aside_and_tell_in_the_exit_code(
    server: TailServer, tails: Tails
) -> None:
    server.faults["send"].append(refuses(409, "key reused"))
    code, tail = await tails.run("bad", '"' * 35_000, "good")
    assert code is ExitCode.REJECTED
    assert [row.content for row in server.history.rows] == ["good"]
    path = tails.folder / "rejected.jsonl"
    refused = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["content"][:3], line["code"]) for line in refused] == [("bad", 409), ('"""', 413)]
    assert any(str(path) in notice for notice in tail.notices)


async def test_an_unknown_conversation_ends_it(server: TailServer, tails: Tails) -> None:
    server.faults["subscribe"].append(refuses(102, "unknown channel"))
    code, tail = await tails.run()
    assert code is ExitCode.CONVERSATION
    assert CONVERSATION in tail.notices[0]


async def test_someone_at_a_terminal_is_told_what_is_followed(server: TailServer, tails: Tails) -> None:
    server.faults["conversation"].append(refuses(100, "internal", temporary=True))
    await server.post("one")
    tail = tails.start(at_terminal=True)
    await tail.shows("one")
    server.drop()
    await tail.notes("Hello (group) — alice — connected")
    await until(lambda: server.listeners, "the second subscription")
    server.drop()
    await tail.notes("connected again")
    assert server.asked["conversation"] == 2
    assert [notice for notice in tail.notices if "trying" not in notice] == [
        "not connected: the connection broke",
        "Hello (group) — alice — connected",
        "not connected: the connection broke",
        "connected again",
    ]


async def test_without_input_it_shows_what_is_new_and_ends(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    code, first = await tails.run()
    await server.post("two")
    _, second = await tails.run()
    _, third = await tails.run()
    assert code is ExitCode.DONE
    assert [tail.texts() for tail in (first, second, third)] == [["one"], ["two"], []]


async def test_it_can_stop_after_some_messages_and_goes_on_behind_them(
    server: TailServer, tails: Tails
) -> None:
    first = tails.start(limit=0, exit_after=1)
    await until(lambda: server.asked["subscribe"], "the subscription")
    await server.post("one")
    assert await first.ends() is ExitCode.DONE
    await server.post("two")
    second = tails.start(exit_after=1)
    assert await second.ends() is ExitCode.DONE
    assert (first.texts(), second.texts()) == (["one"], ["two"])


async def test_a_removal_ends_it(server: TailServer, tails: Tails) -> None:
    tail = tails.start()
    await server.post("one")
    await tail.shows("one")
    await server.say({"push": {"channel": CONVERSATION, "unsubscribe": {"code": 2000, "reason": "gone"}}})
    assert await tail.ends() is ExitCode.CONVERSATION


@pytest.mark.parametrize("code", [3005, 3500])
async def test_a_token_that_counts_no_more_ends_it(server: TailServer, tails: Tails, code: int) -> None:
    tail = tails.start()
    await until(lambda: server.listeners, "the subscription")
    await server.close(code)
    assert await tail.ends() is ExitCode.TOKEN
    assert "palaver token" in tail.notices[0]
    assert TOKEN not in "".join(tail.notices + tail.lines)


async def test_an_expired_token_at_the_door_ends_it(server: TailServer, tails: Tails) -> None:
    server.faults["connect"].append(refuses(109, "token expired"))
    code, tail = await tails.run()
    assert code is ExitCode.TOKEN
    assert "expired" in tail.notices[0]


async def test_a_token_file_that_was_renewed_is_used(server: TailServer, tails: Tails) -> None:
    file = tails.folder.parent / "token"
    file.write_text(TOKEN)
    tail = tails.start(token=Token(None, file))
    await until(lambda: server.listeners, "the subscription")
    renewed = jwt.encode({"sub": "alice", "jti": "2"}, SECRET, "HS256")
    file.write_text(renewed)
    await server.close(3005)
    await until(lambda: server.tokens == [TOKEN, renewed], "the new token")
    await server.post("one")
    await tail.shows("one")


@pytest.mark.parametrize("code", [3503, 4500])
async def test_a_final_close_ends_it(server: TailServer, tails: Tails, code: int) -> None:
    tail = tails.start()
    await until(lambda: server.listeners, "the subscription")
    await server.close(code)
    assert await tail.ends() is ExitCode.REFUSED
    assert str(code) in tail.notices[0]


@pytest.mark.parametrize("code", [3001, 4000])
async def test_another_close_is_come_back_from(server: TailServer, tails: Tails, code: int) -> None:
    tail = tails.start()
    await until(lambda: server.listeners, "the subscription")
    await server.close(code)
    await until(lambda: server.listeners, "the next subscription")
    await server.post("one")
    await tail.shows("one")


async def test_a_subscription_is_renewed_where_the_server_asks_for_it(
    server: TailServer, tails: Tails
) -> None:
    tail = tails.start()
    await server.post("one")
    await tail.shows("one")
    server.history.open("start", "e2")
    await server.say({"push": {"channel": CONVERSATION, "unsubscribe": {"code": 2500, "reason": "again"}}})
    await until(lambda: server.asked["subscribe"] == 2, "the next subscription")
    await server.post("two")
    await tail.shows("one", "two")
    assert server.asked["connect"] == 1


async def test_pings_are_answered(server: TailServer, tails: Tails) -> None:
    tails.start()
    await until(lambda: server.listeners, "the subscription")
    await server.say({})
    await until(lambda: server.pongs == 1, "the pong")


async def test_a_server_that_speaks_otherwise_is_told_from_a_palaver(
    server: TailServer, tails: Tails
) -> None:
    server.faults["connect"].append(lambda _, __: {"connect": "yes"})
    code, tail = await tails.run()
    assert code is ExitCode.REFUSED
    assert "cannot be read" in tail.notices[0]


async def test_a_server_that_says_nothing_is_left(
    server: TailServer, tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.1)
    server.faults["connect"].append(answers_nothing)
    server.faults["subscribe"].append(answers_nothing)
    tail = tails.start()
    await tail.notes("the server is silent")
    await server.post("one")
    await tail.shows("one")


async def test_a_server_that_answers_all_but_one_command_is_left(
    server: TailServer, tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", 0.3)
    server.faults["history"].append(answers_nothing)
    await server.post("one")
    tail = tails.start()
    await tail.notes("the server is silent")
    await tail.shows("one")


async def test_typing_is_taken_no_faster_than_it_is_sent(
    server: TailServer, tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "OUTBOX_MAX", 2)
    lines = [f"line {number}" for number in range(20)]
    code, _ = await tails.run(*lines)
    assert code is ExitCode.DONE
    assert [row.content for row in server.history.rows] == lines


async def test_input_that_ends_while_the_server_is_away_ends_it_only_when_all_was_shown(
    server: TailServer, tails: Tails
) -> None:
    tail = tails.start(exit_when_sent=True)
    await server.post("one")
    await tail.shows("one")
    await server.stop()
    await tail.notes("trying again")
    tail.end_input()
    server.history.post("bob", "k", "two")
    await server.start()
    assert await tail.ends() is ExitCode.DONE
    assert tail.texts() == ["one", "two"]


async def test_an_event_that_cannot_be_read_ends_it(server: TailServer, tails: Tails) -> None:
    tail = tails.start()
    await until(lambda: server.listeners, "the subscription")
    await server.say({"push": {"channel": CONVERSATION, "pub": {"data": {"seq": "one"}, "offset": 1}}})
    assert await tail.ends() is ExitCode.REFUSED


@pytest.mark.parametrize(
    ("status", "notice"), [(404, "check that --url"), (403, "check that --url"), (503, "trying again")]
)
async def test_a_door_that_is_no_palavers_is_told_from_one_that_is_closed_for_now(
    server: TailServer, tails: Tails, status: int, notice: str
) -> None:
    server.door_status = status
    tail = tails.start()
    ended = asyncio.ensure_future(tail.ends()) if status != 503 else None
    await tail.notes(f"the server answers {status}" if ended is None else f"The server answers {status}")
    if ended is not None:
        assert await ended is ExitCode.REFUSED
    await tail.notes(notice)


async def test_a_failure_that_nobody_foresaw_is_not_hidden(
    server: TailServer, tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Timeline, __: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Timeline, "subscription", fails)
    tail = tails.start()
    with pytest.raises(ExceptionGroup) as failed:
        await tail.ends()
    assert failed.group_contains(ZeroDivisionError)


def answers_nothing(_: object, __: object) -> None:
    """Leave a command without its reply."""
