"""The keyboard of a terminal, read key by key, so that the line being typed can be drawn below what comes in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
from collections.abc import AsyncIterator, Callable
from types import TracebackType

from ops.tail.editor import Editor
from ops.tail.typed import read_chunk

LOCAL_FLAGS = 3
LINE_EDITING = termios.ICANON | termios.ECHO | termios.IEXTEN

Show = Callable[[str | None], None]
"""Draws the line that is being typed; None for none."""


class Keyboard:
    """A terminal whose line editing and echo are ours while this is entered; Ctrl-C and Ctrl-Z stay signals."""

    def __init__(self, descriptor: int, show: Show) -> None:
        self._descriptor = descriptor
        self._show = show
        self._editor = Editor()
        self._before = termios.tcgetattr(descriptor)

    def __enter__(self) -> Keyboard:
        """Take the keyboard; needs a running loop."""
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the keyboard back as it was."""
        self._give_back()

    async def lines(self) -> AsyncIterator[str]:
        """Yield each line when Enter is pressed, until Ctrl-D on an empty one or until the terminal is gone."""
        self._show("")
        while not self._editor.is_over and (keys := await read_chunk(self._descriptor)):
            lines = self._editor.feed(keys)
            self._show(self._editor.text)
            for line in lines:
                yield line
        self._show(None)

    def _take(self) -> None:
        mode = termios.tcgetattr(self._descriptor)
        mode[LOCAL_FLAGS] &= ~LINE_EDITING
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTSTP, self._suspend)

    def _give_back(self) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTSTP)
        # A terminal that hung up has no mode any more, and needs none.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _suspend(self) -> None:
        """Stop as Ctrl-Z asks, with the terminal as the shell wants it, and go on when told."""
        self._show(None)
        self._give_back()
        # Not SIGSTOP: where no shell could make us go on, the kernel passes over this one.
        signal.raise_signal(signal.SIGTSTP)
        self._take()
        self._show(self._editor.text)


def is_keyboard(descriptor: int) -> bool:
    """Tell whether this is a terminal that is ours to read; one in whose background we run is not."""
    return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
