"""Terminal, plain lines and JSON: what each of them shows of the same events."""

from __future__ import annotations

import json
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from ops.tail.effects import Draw, Drop, Kind
from ops.tail.footer import PASSING_S, Footer
from ops.tail.records import Draft
from ops.tail.screen import JsonScreen, PlainScreen, Screen, screen_for
from ops.tail.terminal import TerminalScreen
from ops.tail.wire import Event, decode_event
from tests.ops.tail.glass import Glass

CHANNEL = "main:0192"
WIDTH = 45


def drawn(kind: Kind = Kind.ADDED, **fields: object) -> Draw:
    return Draw(kind, decode_event(msgspec.Raw(msgspec.json.encode(fields))))


def message(seq: int, content: str, sender: str = "bob", client_message_id: str = "") -> Draw:
    return drawn(
        type="message",
        seq=seq,
        changed_seq=seq,
        sender=sender,
        role="user",
        content=content,
        client_message_id=client_message_id,
    )


def edit(seq: int, message_seq: int, content: str) -> Draw:
    return drawn(
        Kind.CHANGED,
        type="message.edited",
        seq=seq,
        message_seq=message_seq,
        changed_seq=seq,
        content=content,
        actor="bob",
        edited_at=1,
    )


TYPING = Draw(Kind.PASSING, Event("typing", user="bob"))


class Terminal:
    """A terminal screen of eight rows, what was written to it, and what it shows of that."""

    def __init__(self) -> None:
        self.out = StringIO()
        self.glass = Glass(WIDTH)
        self.now_s = 0.0
        console = Console(
            file=self.out, force_terminal=True, width=WIDTH, height=8, color_system=None, no_color=True
        )
        self.screen = TerminalScreen("alice", console, Footer("alice", lambda: self.now_s))

    def written(self) -> str:
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        self.glass.write(text)
        return text

    def rows(self) -> list[str]:
        self.written()
        return self.glass.rows()


class Texts:
    """The two streams of a screen that is no terminal."""

    def __init__(self) -> None:
        self.out = StringIO()
        self.notices = StringIO()


def test_json_is_handed_on_as_it_came_with_fields_that_nobody_here_knows() -> None:
    texts = Texts()
    screen = JsonScreen(CHANNEL, texts.out, texts.notices)
    screen.draw(drawn(type="message", seq=1, content="a\nb\x1b", metadata={"x": 1}))
    screen.draw(drawn(Kind.PASSING, type="typing", user="bob"))
    first, second = texts.out.getvalue().splitlines()
    assert json.loads(first) == {"type": "message", "seq": 1, "content": "a\nb\x1b", "metadata": {"x": 1}}
    assert json.loads(second) == {"type": "typing", "user": "bob"}


def test_json_says_when_everything_before_counts_no_more() -> None:
    texts = Texts()
    screen = JsonScreen(CHANNEL, texts.out, texts.notices)
    screen.drop(Drop("e2", 7))
    assert json.loads(texts.out.getvalue()) == {
        "type": "reload",
        "conversation_id": CHANNEL,
        "epoch": "e2",
        "offset": 7,
    }


@pytest.mark.parametrize("choose", [True, False])
def test_notices_go_to_standard_error_where_a_program_reads(choose: bool) -> None:
    texts = Texts()
    screen: Screen = (
        JsonScreen(CHANNEL, texts.out, texts.notices) if choose else PlainScreen(texts.out, texts.notices)
    )
    screen.say("the server cannot be reached")
    screen.took(Draft("k1", "hi"))
    screen.let_go("k1")
    screen.compose("ho")
    screen.refresh()
    screen.finish()
    assert texts.out.getvalue() == ""
    assert texts.notices.getvalue() == "the server cannot be reached\n"


def test_plain_lines_carry_the_seq_and_tell_changes_in_lines_of_their_own() -> None:
    texts = Texts()
    screen = PlainScreen(texts.out, texts.notices)
    screen.drop(Drop("e1", 0))
    screen.draw(message(3, "hi"))
    screen.draw(edit(4, 3, "ho"))
    screen.draw(TYPING)
    first, second = texts.out.getvalue().splitlines()
    assert first.endswith(" #3 bob: hi")
    assert second.endswith(" #4 bob edited #3: ho")


def test_plain_lines_say_when_the_conversation_begins_anew() -> None:
    texts = Texts()
    screen = PlainScreen(texts.out, texts.notices)
    screen.draw(message(3, "hi"))
    screen.drop(Drop("e2", 0))
    assert texts.out.getvalue().splitlines()[-1].startswith("--- ")


def test_a_terminal_shows_a_change_in_the_line_of_its_message() -> None:
    terminal = Terminal()
    terminal.screen.draw(message(1, "one"))
    terminal.screen.draw(message(2, "two"))
    terminal.written()
    terminal.screen.draw(edit(3, 1, "uno"))
    shown = terminal.written()
    assert "bob: uno (edited)" in shown
    assert "bob: two" in shown
    assert "bob: one" not in shown
    terminal.screen.draw(
        drawn(Kind.CHANGED, type="message.deleted", seq=4, message_seq=2, changed_seq=4, deleted_at=1)
    )
    assert "bob: [deleted]" in terminal.written()


def test_a_change_of_a_line_out_of_sight_is_told_in_a_new_line() -> None:
    terminal = Terminal()
    for seq in range(1, 12):
        terminal.screen.draw(message(seq, f"text {seq}"))
    terminal.written()
    terminal.screen.draw(edit(12, 1, "uno"))
    assert terminal.written().rstrip().endswith("bob edited #1: uno")
    terminal.screen.draw(edit(13, 77, "never seen"))
    assert terminal.written().rstrip().endswith("bob edited #77: never seen")


def test_a_terminal_is_emptied_for_a_reload_but_not_for_the_first_page() -> None:
    terminal = Terminal()
    terminal.screen.drop(Drop("e1", 0))
    assert terminal.written() == ""
    terminal.screen.draw(message(1, "one"))
    terminal.written()
    terminal.screen.drop(Drop("e2", 0))
    assert "\x1b[2J" in terminal.written()


def test_what_is_said_of_the_program_outlives_the_first_page_and_a_reload() -> None:
    terminal = Terminal()
    terminal.screen.say("Hello (group) — alice — connected")
    terminal.screen.drop(Drop("e1", 0))
    assert "\x1b[2J" not in terminal.written()
    terminal.screen.draw(message(1, "one"))
    terminal.screen.drop(Drop("e2", 0))
    assert terminal.rows() == ["Hello (group) — alice — connected"]


def test_a_line_that_waits_stays_in_sight_until_its_event_takes_its_place() -> None:
    terminal = Terminal()
    terminal.screen.took(Draft("k1", "hello"))
    terminal.screen.say("not connected: the connection broke")
    terminal.screen.say("trying again in 1.0 s: the server cannot be reached", passing=True)
    terminal.screen.draw(message(1, "hi"))
    said, hi, waiting, trying = terminal.rows()
    assert said == "not connected: the connection broke"
    assert hi.endswith("bob: hi")
    assert waiting == "--:-- alice: hello (waiting)"
    assert trying == "trying again in 1.0 s: the server cannot be…"
    terminal.screen.say("connected again")
    terminal.screen.draw(message(2, "hello", "alice", client_message_id="k1"))
    assert [row[-12:] for row in terminal.rows()[2:]] == ["nected again", "alice: hello"]


def test_a_line_that_was_refused_or_stored_unseen_waits_no_more() -> None:
    terminal = Terminal()
    terminal.screen.took(Draft("k1", "hello"))
    terminal.screen.let_go("k1")
    assert terminal.rows() == [""]


def test_of_many_lines_that_wait_the_newest_are_shown_and_the_others_counted() -> None:
    terminal = Terminal()
    for number in range(7):
        terminal.screen.took(Draft(str(number), f"line {number}"))
    terminal.screen.compose("and so")
    first, *shown, typed = terminal.rows()
    assert first == "… 2 more (waiting)"
    assert shown == [f"--:-- alice: line {number} (waiting)" for number in range(2, 7)]
    assert typed == "> and so"


def test_what_is_being_typed_stays_below_whatever_comes() -> None:
    terminal = Terminal()
    terminal.screen.compose("half a\tline")
    terminal.screen.draw(message(1, "one"))
    terminal.screen.draw(edit(2, 1, "uno"))
    terminal.screen.say("a notice")
    terminal.screen.draw(TYPING)
    assert terminal.rows()[-2:] == ["bob is typing …", "> half a line"]
    long = "words that do not fit into one row, for sure, and so they need two"
    terminal.screen.compose(long)
    assert "".join(terminal.rows()[-2:]) == f"> {long}"
    terminal.screen.compose("x" * WIDTH * 20)
    terminal.screen.compose("")
    assert [row[-20:] for row in terminal.rows()[1:]] == ["a notice", "bob is typing …", "> "]


def test_that_another_one_types_is_shown_for_a_moment_only() -> None:
    terminal = Terminal()
    terminal.screen.draw(Draw(Kind.PASSING, Event("typing", user="alice")))
    terminal.screen.draw(TYPING)
    assert terminal.rows() == ["bob is typing …"]
    terminal.now_s += PASSING_S
    terminal.screen.refresh()
    assert terminal.rows() == [""]
    terminal.screen.draw(TYPING)
    terminal.screen.draw(message(1, "here"))
    assert [row[-9:] for row in terminal.rows()] == ["bob: here"]


def test_the_end_leaves_what_waits_and_nothing_else_of_the_footer() -> None:
    terminal = Terminal()
    terminal.screen.took(Draft("k1", "hello"))
    terminal.screen.compose("unfinished")
    terminal.screen.finish()
    assert terminal.rows() == ["--:-- alice: hello (waiting)"]
    assert terminal.out.getvalue() == ""


def test_nothing_typed_or_said_can_move_the_cursor() -> None:
    terminal = Terminal()
    terminal.screen.compose("\x1b[2J\n")
    terminal.screen.took(Draft("k1", "a\x1b[Hb"))
    terminal.screen.say("no\x1b[2J")
    assert "\x1b[2J" not in terminal.written()
    assert len(terminal.rows()) == 3


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    terminal = Terminal()
    terminal.screen.draw(message(1, "[red]no[/red] :smile:"))
    assert "[red]no[/red] :smile:" in terminal.written()


class TerminalText(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_screen_is_chosen_by_where_the_output_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(out: StringIO, *, json: bool) -> type[object]:
        return type(screen_for(CHANNEL, "alice", out, StringIO(), json=json))

    monkeypatch.setenv("TERM", "xterm")
    assert chosen(StringIO(), json=False) is PlainScreen
    assert chosen(TerminalText(), json=False) is TerminalScreen
    assert chosen(StringIO(), json=True) is JsonScreen
    assert chosen(TerminalText(), json=True) is JsonScreen
    monkeypatch.setenv("TERM", "dumb")
    assert chosen(TerminalText(), json=False) is PlainScreen
