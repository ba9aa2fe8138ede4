"""All sockets of a run: opened a bounded number at a time, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.connection import Connection
from benchmarks.dialects.dialect import Dialect
from benchmarks.job import HOST, BenchmarkFailed, Seat
from benchmarks.tally import Tally

OPENING_MAX = 64
OPEN_TIMEOUT_S = 30.0


class Crowd:
    """The connections of one run and the tally that they share."""

    def __init__(self, port: int, dialect: Dialect, tally: Tally) -> None:
        self.connections: list[Connection] = []
        self.dialect = dialect
        self.tally = tally
        self._port = port

    async def open(self, seats: Sequence[Seat]) -> None:
        """Take more seats, OPENING_MAX at a time; raises BenchmarkFailed at the first that is refused."""
        gate = asyncio.Semaphore(OPENING_MAX)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._open(seat, gate)) for seat in seats]
        except* BenchmarkFailed as errors:
            raise errors.exceptions[0] from None
        self.connections.extend(task.result() for task in tasks)

    def start_measuring(self) -> None:
        """Note that what is sent from now on counts."""
        for connection in self.connections:
            connection.measured_from = len(connection.keys)

    def close(self) -> None:
        """Drop all connections."""
        for connection in self.connections:
            connection.close()

    async def _open(self, seat: Seat, gate: asyncio.Semaphore) -> Connection:
        loop = asyncio.get_running_loop()
        async with gate:
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    _, connection = await loop.create_connection(
                        lambda: self._connection(seat), HOST, self._port
                    )
                    await connection.opened
            except (OSError, TimeoutError) as error:
                raise BenchmarkFailed(f"{seat.user} cannot connect: {error!r}") from error
        return connection

    def _connection(self, seat: Seat) -> Connection:
        return Connection(seat, self._port, self.dialect, self.tally)
