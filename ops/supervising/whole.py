"""Whole copies: a file that was exchanged under a running Litestream, or whose replica was emptied, is copied whole
before it is replicated again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chat.settings import Settings
from ops.supervising import config
from ops.supervising.child import LitestreamChild
from ops.supervising.files import SupervisedFiles
from ops.supervising.place import LitestreamPlace
from ops.supervising.target import Target

LOOK_S = 1.0
AGAIN_S = 5.0
# A run waits long between its tries while the store is down, and does not notice that it is back. So the first may
# not take long, and each next one twice as long: a large file over a slow line gets its time as well.
TRY_MIN_S = 15.0
TRY_MAX_S = 4 * 3600.0
KILL_PATIENCE_S = 0.5

logger = logging.getLogger("palaver.litestream")


class WholeCopies:
    """Makes them one after the other, beside the process that takes care of all other files."""

    def __init__(
        self, settings: Settings, target: Target, place: LitestreamPlace, files: SupervisedFiles
    ) -> None:
        self._settings = settings
        self._target = target
        self._place = place
        self._files = files
        self._try_s = TRY_MIN_S

    @asynccontextmanager
    async def underway(self, binary: Path, made: asyncio.Event) -> AsyncIterator[None]:
        """Make copies while the body runs, and set `made` after each; one under way at its end is broken off."""
        task = asyncio.create_task(self._run(binary, made))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, binary: Path, made: asyncio.Event) -> None:
        while True:
            for path in self._files.exchanged:
                if await self._copy(binary, path):
                    self._try_s = TRY_MIN_S
                    made.set()
                else:
                    self._try_s = min(self._try_s * 2, TRY_MAX_S)
                    await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(LOOK_S)

    async def _copy(self, binary: Path, path: Path) -> bool:
        """Copy one file whole; False if that failed, or the file was exchanged again meanwhile."""
        logger.warning("a whole new copy of %s is made", path.name, extra={"file": str(path)})
        try:
            self._files.hold_exchanged(path)
            async with asyncio.timeout(self._try_s):
                code, said = await self._run_once(binary, path)
            if code == 0:
                return self._files.copied(path)
        except TimeoutError:
            said = f"it took over {self._try_s:g} s"
        except OSError as error:
            said = str(error)
        logger.error("%s could not be copied whole: %s", path.name, said, extra={"file": str(path)})
        return False

    async def _run_once(self, binary: Path, path: Path) -> tuple[int, str]:
        """Return the exit code of one run over one file, and what it said."""
        written = self._place.once(path.stem)
        config.write(written, config.render(self._settings, self._target, (path,), None))
        try:
            child = await LitestreamChild.start(
                binary,
                ("replicate", "-config", str(written), "-once", "-force-snapshot"),
                self._target.environment,
                self._target.secrets,
            )
            try:
                return await child.wait()
            finally:
                child.kill()
                await asyncio.shield(child.end(0.0, KILL_PATIENCE_S))
        finally:
            written.unlink(missing_ok=True)
