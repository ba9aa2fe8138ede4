"""The composition root: settings → storage, writer, hub, core, routes; and the lifespan that opens and closes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import storage.engine  # first: puts the right SQLite in place

# isort: split
from starlette.applications import Starlette

from chat.auth import Authenticator, load_secret
from chat.broker import MemoryBroker
from chat.core import Core, OpenFile
from chat.endpoints.middleware import middleware
from chat.endpoints.problems import exception_handlers
from chat.endpoints.sockets import Sockets
from chat.hub import Hub
from chat.limits import TokenBuckets
from chat.positions import Positions
from chat.presence import Typing
from chat.replication import NoReplicator, ReplicationReport
from chat.routes import routes
from chat.settings import Settings
from chat.version import VERSION
from ops.doctor import check_start, starting
from ops.drilling.schedule import DrillSchedule
from ops.metrics import CopyGauges, FileGauges, Gauges, Metrics
from ops.replica_check import ReplicaCheck
from ops.replicating import replication_of
from ops.replication import Replication
from ops.restore_start import prepare
from ops.served_files import ServedFiles, nobody_to_tell
from ops.upkeep import Upkeep
from storage.archives import RestoredArchives
from storage.personas import PersonaFiles

BARE = (
    "This is not the server of `palaver serve`, and lacks what that one has: limits on slow and large request heads, "
    "on slow bodies and on the fragments of a message; small send buffers, and a cut for who does not read; the "
    "goodbye 3001 to all sockets at the end; sockets for clients that send an empty Sec-WebSocket-Protocol; an answer "
    "when descriptors run out; logs without the addresses of sockets. Use `palaver serve` wherever strangers connect."
)

logger = logging.getLogger("palaver.server")


class State(TypedDict):
    """What the lifespan leaves for the server: how to say goodbye to all sockets."""

    drain: Callable[[], Awaitable[None]]


def build(settings: Settings, *, start_empty: bool = False, bare: bool = False) -> Starlette:
    """Make the application; nothing is opened before its lifespan begins.

    `start_empty` lets it begin anew where copies of what was there before may exist. `bare` is for a server that is not
    ours: the log says then what is missing.
    """
    app = Starlette(
        routes=routes(),
        middleware=middleware(settings),
        exception_handlers=exception_handlers(),
        lifespan=partial(_open, settings=settings, start_empty=start_empty, bare=bare),
    )
    # An address with a slash too many is told so, and not sent round by way of its Host header.
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def _open(app: Starlette, settings: Settings, start_empty: bool, bare: bool) -> AsyncIterator[State]:
    """Open everything, serve, and close it so that nothing acked is lost: the writer first, then the files."""
    if bare:
        logger.warning(BARE)
    with starting(settings):
        check_start(settings)
        await asyncio.to_thread(prepare, settings, start_empty=start_empty)
    metrics = Metrics(VERSION, storage.engine.sqlite3.sqlite_version)
    files = PersonaFiles(settings, metrics)
    replication = replication_of(settings, files) if settings.replicates else None
    drills, check = DrillSchedule(settings), ReplicaCheck(settings, files.paths)
    try:
        with starting(settings):
            core = await _core(settings, metrics, files, replication, drills, check)
        if replication is not None:
            replication.start()
        sockets = Sockets(settings.shutdown_spread_s)
        app.state.core, app.state.sockets = core, sockets
        async with asyncio.TaskGroup() as tasks:
            for file in core.files.values():
                tasks.create_task(file.writer.run())
            watching = [tasks.create_task(Positions(core).run())]
            watching += [tasks.create_task(file.watermark.run()) for file in core.files.values()]
            watching.append(tasks.create_task(files.keep_noted()))
            watching.append(tasks.create_task(Upkeep(files, settings.optimize_h).run()))
            watching.append(tasks.create_task(drills.run()))
            watching.append(tasks.create_task(check.run()))
            yield State(drain=sockets.drain)
            for task in watching:
                task.cancel()
            for file in core.files.values():
                file.writer.close()
    finally:
        # Litestream last: it copies what the files were closed with, and goes on from there at the next start.
        try:
            await files.close()
        finally:
            if replication is not None:
                await replication.stop()


async def _core(
    settings: Settings,
    metrics: Metrics,
    files: PersonaFiles,
    replication: Replication | None,
    drills: DrillSchedule,
    check: ReplicaCheck,
) -> Core:
    hub = Hub(settings, metrics)
    broker = MemoryBroker()
    broker.listen(hub)
    replicator = replication or NoReplicator()
    let_go = replication.let_go if replication is not None else nobody_to_tell
    served = ServedFiles(settings, files, hub, broker, metrics, replicator, let_go)
    await served.open()
    report = replication.report if replication is not None else partial(ReplicationReport, on=False)
    return Core(
        settings=settings,
        authenticator=Authenticator(settings, load_secret(settings)),
        files=served.opened,
        hub=hub,
        broker=broker,
        observer=metrics,
        replicator=replicator,
        replication=report,
        limiter=TokenBuckets(settings.command_rate_per_s, settings.command_burst),
        logins=TokenBuckets(settings.login_rate_per_s, settings.login_burst),
        typing=Typing(settings.typing_interval_s),
        archives=RestoredArchives(Path(settings.data)),
        put_back=served.put_back,
        exposition=lambda accept: metrics.exposition(
            accept, _gauges(hub, files, served.opened, report(), drills, check)
        ),
        last_verified_restore_ms=lambda: drills.last_verified_ms,
        upkeep=lambda: [*([drills.health()] if drills.is_on else []), *check.health()],
    )


def _gauges(
    hub: Hub,
    files: PersonaFiles,
    opened: dict[str, OpenFile],
    replication: ReplicationReport,
    drills: DrillSchedule,
    check: ReplicaCheck,
) -> Gauges:
    sizes, generations, swapped = files.sizes(), files.generations(), files.swapped()
    failing = any(file.writer.failure for file in opened.values())
    return Gauges(
        connections=len(hub.clients),
        subscriptions=hub.subscription_count,
        write_queue_depth=sum(file.writer.queue_depth for file in opened.values()),
        replication=replication,
        files={
            name: FileGauges(database_bytes, wal_bytes, not failing, generations[name], name in swapped)
            for name, (database_bytes, wal_bytes) in sizes.items()
        },
        verified_restore_ms=drills.last_verified_ms,
        failed_drill_ms=drills.last_failed_ms,
        copies={name: CopyGauges(not seen.broken, len(seen.holes)) for name, seen in check.seen.items()},
    )


def __getattr__(name: str) -> Any:
    """Build `app` when a server asks for it, as in `uvicorn asgi:app`; importing this module does nothing.

    Our own server takes what `build` makes: whoever comes by here is another one.
    """
    if name == "app":
        return build(Settings.from_environment(), bare=True)
    raise AttributeError(name)
