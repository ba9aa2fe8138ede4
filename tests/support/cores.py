"""A core on fake stores: everything that the doors share, without a database and without a door."""

from __future__ import annotations

from typing import Any, cast

from chat.broker import MemoryBroker
from chat.core import Core, OpenFile
from chat.hub import Hub
from chat.limits import TokenBuckets
from chat.observer import NullObserver
from chat.presence import Typing
from chat.replication import NoReplicator, ReplicationReport, Replicator
from chat.settings import Settings
from chat.store import Store
from chat.watermark import Watermark
from chat.writer import Writer
from tests.support.fake_store import FakeStore

NOBODY = cast("Any", None)


def core_on(store: FakeStore, replicator: Replicator | None = None, **settings: Any) -> Core:
    """Make a core whose `main` is `store`; neither its writer nor its watermark runs until somebody runs it."""
    knobs = Settings(**settings)
    observer, broker = NullObserver(), MemoryBroker()
    hub = Hub(knobs, observer)
    broker.listen(hub)
    opened = cast("Store", store)
    copier = replicator or NoReplicator()
    watermark = Watermark("main", opened, copier, broker, observer, knobs)
    writer = Writer(opened, broker, observer, knobs, lambda: None, watermark.note)
    return Core(
        settings=knobs,
        authenticator=NOBODY,
        files={"main": OpenFile(opened, writer, watermark)},
        hub=hub,
        broker=broker,
        observer=observer,
        replicator=copier,
        replication=lambda: ReplicationReport(on=False),
        limiter=TokenBuckets(knobs.command_rate_per_s, knobs.command_burst),
        logins=TokenBuckets(knobs.login_rate_per_s, knobs.login_burst),
        typing=Typing(knobs.typing_interval_s),
        exposition=NOBODY,
    )
