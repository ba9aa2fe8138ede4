"""The terminal of an operator who follows a page: its blocks run one by one, and remember what was exported before."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.docs.pages import Block, blocks, read
from tests.support.server import PROJECT, palaver

PASTE_TIMEOUT_S = 90.0
PLACE = re.compile(r"/\S*/(?=data\b)")
VOLATILE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-z]{8}(?=\"|\.\d)|\b[0-9a-f]{6}$|\d+", re.MULTILINE)
DRAWN = re.compile(r"[\u2500-\u25ff\s]+")


def section(page: Path, heading: str) -> list[Block]:
    """Return the blocks below one heading of a page."""
    _, _, after = read(page).partition(f"## {heading}\n")
    assert after, f"{page.name} has no heading {heading!r}"
    return blocks(after.partition("\n## ")[0])


def shape(printed: str) -> str:
    """Return what a command printed without what differs each time: places, numbers, ids, drawn lines."""
    return DRAWN.sub(" ", VOLATILE.sub("#", PLACE.sub("…/", printed))).strip()


class OperatorShell:
    """A shell in a folder that looks like a clone after `make install`; `words` are exchanged in what is typed."""

    def __init__(self, folder: Path, port: int, words: Mapping[str, str]) -> None:
        self.folder = folder
        self._port = port
        self._words = words
        commands = folder / ".venv" / "bin"
        commands.mkdir(parents=True)
        (commands / "palaver").write_text(f'#!/bin/sh\nexec {shlex.join(palaver())} "$@"\n')
        (commands / "palaver").chmod(0o700)
        self._session = folder / "session.sh"
        self._session.touch()

    async def paste(self, text: str) -> str:
        """Run lines as they are typed and return what they print; fails where one of them does."""
        for written, meant in self._words.items():
            text = text.replace(written, meant)
        kept = f". ./session.sh\n{text}\n{{ export -p; declare -f; }} > session.sh"
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            kept,
            cwd=self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaint = await asyncio.wait_for(process.communicate(), PASTE_TIMEOUT_S)
        assert process.returncode == 0, f"{text}\n{printed.decode()}\n{complaint.decode()}"
        return printed.decode()

    async def exported(self, prefix: str) -> dict[str, str]:
        """Return the variables that were exported so far under names that begin with `prefix`."""
        lines = (await self.paste("env")).splitlines()
        pairs = (line.partition("=") for line in lines)
        return {name: value for name, _, value in pairs if name.startswith(prefix)}

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        return inherited | {
            "HOME": str(self.folder),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PALAVER_PORT": str(self._port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
