"""The counters that all sockets of a crowd share, and the moment when everything sent has come back."""

from __future__ import annotations

import asyncio

from benchmarks.job import BenchmarkFailed


class Tally:
    """How many messages were sent, acked and delivered; `audience` deliveries belong to each message."""

    def __init__(self, audience: int) -> None:
        self.sent = 0
        self.acked = 0
        self.delivered = 0
        self.awaited = False
        self._audience = audience
        self._settled: asyncio.Future[None] | None = None
        self._failure: BenchmarkFailed | None = None

    async def settled(self, timeout_s: float) -> None:
        """Wait until all was acked and delivered; raises BenchmarkFailed when late or when a socket fails."""
        self._settled = asyncio.get_running_loop().create_future()
        self.awaited = True
        self.look()
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled
        except TimeoutError:
            raise BenchmarkFailed(f"{self} after {timeout_s:.0f} s") from None
        finally:
            self.awaited = False

    def look(self) -> None:
        """Wake whoever waits, if all has come back or a socket failed."""
        if self._settled is None or self._settled.done():
            return
        if self._failure is not None:
            self._settled.set_exception(self._failure)
        elif self.acked >= self.sent and self.delivered >= self.sent * self._audience:
            self._settled.set_result(None)

    def fail(self, error: BenchmarkFailed) -> None:
        """Let the run fail with the first error."""
        self._failure = self._failure or error
        self.look()

    def raise_failure(self) -> None:
        """Raise the first error of a socket, if there was one."""
        if self._failure is not None:
            raise self._failure

    def __str__(self) -> str:
        wanted = self.sent * self._audience
        return f"{self.acked} of {self.sent} messages acked, {self.delivered} of {wanted} deliveries seen"
