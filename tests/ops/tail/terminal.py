"""`palaver tail` on a terminal of its own, with the keys that are pressed and the rows that are seen."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable
from pathlib import Path

from tests.ops.tail.glass import Glass
from tests.support.server import PROJECT, palaver
from tests.support.waiting import until

TIMEOUT_S = 60.0
WIDTH = 70
HEIGHT = 20
LOCAL_FLAGS = 3


class TailTerminal:
    """One running `palaver tail` and the terminal that controls it."""

    def __init__(self, keyboard: int, screen: int) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._glass = Glass(WIDTH)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(cls, conversation: str, url: str, token: str, *, home: Path) -> TailTerminal:
        keyboard, screen = pty.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        terminal = cls(keyboard, screen)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        terminal._process = await asyncio.create_subprocess_exec(
            *palaver("tail", conversation, "--url", url),
            cwd=PROJECT,
            env=inherited | {"PALAVER_TOKEN": token, "HOME": str(home), "TERM": "xterm"},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(screen, termios.TIOCSCTTY, 0),
        )
        asyncio.get_running_loop().add_reader(keyboard, terminal._look)
        return terminal

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def rows(self) -> list[str]:
        return self._glass.rows()

    async def shows(self, seen: Callable[[list[str]], object], what: str) -> None:
        """Wait until the rows are as `seen` wants them."""
        try:
            await until(lambda: seen(self.rows()), what, TIMEOUT_S)
        except TimeoutError as error:
            raise TimeoutError("\n".join([str(error), *self.rows()])) from error

    def edits_lines_itself(self) -> bool:
        """Tell whether the terminal echoes and edits, as it does for a shell."""
        flags: int = termios.tcgetattr(self._screen)[LOCAL_FLAGS]
        return bool(flags & termios.ICANON and flags & termios.ECHO)

    async def exits(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(TIMEOUT_S):
            return await self._process.wait()

    async def close(self) -> None:
        """Leave nothing running."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self.exits()
        asyncio.get_running_loop().remove_reader(self._keyboard)
        os.close(self._keyboard)
        os.close(self._screen)

    def _look(self) -> None:
        self._glass.write(self._decoder.decode(os.read(self._keyboard, 64 * 1024)))
