"""Restores in place that kill themselves, each after another step: `python -m tests.ops.restoring.killed FOLDER FILE…`.

Each works on a copy of FOLDER, FOLDER-1 for the first step and so on; the last one comes to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

from ops.restoring.inplace import restore_in_place
from ops.restoring.place import Place


def run(data: Path, last: int, files: list[str]) -> None:
    """Restore the newest copies, and die by SIGKILL after step number `last`."""
    numbers = count(1)

    def step(_: str) -> None:
        if next(numbers) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    restore_in_place(Place(data=data), files, None, lambda _: True, cause="a test", step=step)


def main(folder: Path, files: list[str]) -> None:
    """Fork for each restore, which is much faster than a new interpreter for each."""
    for step in count(1):
        data = folder.with_name(f"{folder.name}-{step}")
        shutil.copytree(folder, data)
        child = os.fork()
        if child == 0:
            run(data, step, files)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
