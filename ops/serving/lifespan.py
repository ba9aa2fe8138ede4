"""Lifespan: the application's start and end, and why one of them failed, in words instead of a traceback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

Message = MutableMapping[str, object]

logger = logging.getLogger("palaver.server")


class Lifespan:
    """The ASGI lifespan of one application, in the form that uvicorn's server asks for.

    uvicorn's own logs the whole traceback that frameworks send with a failure, and takes no notice of an
    application that fails while it serves.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self.state: dict[str, object] = {}
        self.should_exit = False
        self._app = config.loaded_app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self.broken = False  # at its start, at its end, or in between
        self._failure: BaseException | None = None
        self._failure_text = ""
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application and wait until it says that it is ready, or fails."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._to_app.put_nowait({"type": "lifespan.startup"})
        await self._started.wait()
        self.should_exit = self.broken

    async def shutdown(self) -> None:
        """Ask the application to end and wait until it has, or fails."""
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped.wait()

    def explain(self) -> str:
        """Return in one line what went wrong; the traceback goes to the log at debug level."""
        if self._failure is None:
            return self._failure_text or "the application gave no reason"
        logger.debug("the application's lifespan failed", exc_info=self._failure)
        return explain(self._failure)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._to_app.get, self._send)
        except BaseException as error:
            self.broken, self._failure = True, error
        finally:
            self._started.set()
            self._stopped.set()

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.shutdown.complete":
                self._stopped.set()
            case _:
                # The exception itself, which is told in its stead, follows from most applications.
                self.broken, self._failure_text = True, str(message.get("message", ""))
                self._started.set()
                self._stopped.set()


def explain(error: BaseException) -> str:
    """Return an error's own words; Python's errors say little without their names, so these keep them."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(explain(each) for each in error.exceptions)
    if type(error).__module__ == "builtins":
        return f"{type(error).__name__}: {error} (PALAVER_LOG_LEVEL=debug shows where)"
    return str(error) or type(error).__name__
