"""Terminal, plain lines and JSON: what each of them shows of the same events."""

from __future__ import annotations

import json
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from ops.tail.effects import Draw, Drop, Kind
from ops.tail.screen import JsonScreen, PlainScreen, Screen, TerminalScreen, screen_for
from ops.tail.wire import Event, decode_event

CHANNEL = "main:0192"


def drawn(kind: Kind = Kind.ADDED, **fields: object) -> Draw:
    return Draw(kind, decode_event(msgspec.Raw(msgspec.json.encode(fields))))


def message(seq: int, content: str, sender: str = "bob") -> Draw:
    return drawn(type="message", seq=seq, changed_seq=seq, sender=sender, role="user", content=content)


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
    """A terminal screen of five rows and what was written to it."""

    def __init__(self, *, echoes: bool = True) -> None:
        self.out = StringIO()
        console = Console(
            file=self.out, force_terminal=True, width=60, height=5, color_system=None, no_color=True
        )
        self.screen = TerminalScreen("alice", console, echoes=echoes)

    def written(self) -> str:
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text


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
    screen.took("hi", waits=True)
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
    for seq in range(1, 9):
        terminal.screen.draw(message(seq, f"text {seq}"))
    terminal.written()
    terminal.screen.draw(edit(9, 1, "uno"))
    assert terminal.written().rstrip().endswith("bob edited #1: uno")
    terminal.screen.draw(edit(10, 77, "never seen"))
    assert terminal.written().rstrip().endswith("bob edited #77: never seen")


def test_a_terminal_is_emptied_for_a_reload_but_not_for_the_first_page() -> None:
    terminal = Terminal()
    terminal.screen.drop(Drop("e1", 0))
    assert terminal.written() == ""
    terminal.screen.draw(message(1, "one"))
    terminal.written()
    terminal.screen.drop(Drop("e2", 0))
    assert "\x1b[2J" in terminal.written()


def test_a_terminal_tells_who_types_in_its_title() -> None:
    terminal = Terminal()
    terminal.screen.draw(TYPING)
    assert "bob is typing" in terminal.written()


def test_a_typed_line_gives_way_to_its_event_and_says_when_it_has_to_wait() -> None:
    terminal = Terminal()
    terminal.screen.took("hello", waits=False)
    assert terminal.written() == "\x1b[1A\x1b[2K"
    terminal.screen.took("hello", waits=True)
    assert "(waits for the server) hello" in terminal.written()
    terminal.screen.took("x" * 200, waits=False)
    assert terminal.written() == ""


def test_lines_from_a_pipe_erase_nothing() -> None:
    terminal = Terminal(echoes=False)
    terminal.screen.took("hello", waits=False)
    assert terminal.written() == ""


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    terminal = Terminal()
    terminal.screen.draw(message(1, "[red]no[/red] :smile:"))
    assert "[red]no[/red] :smile:" in terminal.written()


class TerminalText(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_screen_is_chosen_by_where_the_output_goes() -> None:
    def chosen(out: StringIO, *, json: bool) -> type[object]:
        return type(screen_for(CHANNEL, "alice", out, StringIO(), json=json, echoes=False))

    assert chosen(StringIO(), json=False) is PlainScreen
    assert chosen(TerminalText(), json=False) is TerminalScreen
    assert chosen(StringIO(), json=True) is JsonScreen
    assert chosen(TerminalText(), json=True) is JsonScreen
