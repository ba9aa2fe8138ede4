"""The line being typed: what the usual keys do to it, and that no other key leaves a trace."""

from __future__ import annotations

import pytest

from ops.tail.editor import Editor


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("hällo 🙂", "hällo 🙂"),
        ("one\x7f\x7f", "o"),
        ("\x7fone", "one"),
        ("one two \x17", "one "),
        ("one\x17two", "two"),
        ("one two\x15three", "three"),
        ("a\tb\x01\x0c", "a\tb"),
        ("a\x1b[Db\x1b[1;5Cc\x1b[3~d\x1bOHe\x1bxf", "abcdef"),
        ("one\x04", "one"),
    ],
)
def test_keys_make_this_line(keys: str, text: str) -> None:
    editor = Editor()
    assert editor.feed(keys.encode()) == []
    assert editor.text == text
    assert not editor.is_over


def test_enter_ends_lines_and_empty_ones_are_passed_over() -> None:
    editor = Editor()
    assert editor.feed(b"one\r\n\n\rtwo\nthr") == ["one", "two"]
    assert editor.text == "thr"


def test_a_letter_may_come_in_pieces() -> None:
    editor = Editor()
    for byte in "ü🙂".encode():
        editor.feed(bytes([byte]))
    assert editor.text == "ü🙂"


def test_control_d_on_an_empty_line_is_the_end() -> None:
    editor = Editor()
    editor.feed(b"\x04")
    assert editor.is_over
