"""Core: the collaborators that every door works with, made once by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chat.archive import Archives, NoArchives, PutBack, nothing_to_put_back
from chat.auth import Authenticator
from chat.broker import Broker
from chat.errors import Unknown
from chat.health import PartHealth
from chat.hub import Client, Hub
from chat.ids import persona_of
from chat.limits import TokenBuckets
from chat.models import User
from chat.observer import Observer
from chat.presence import Typing
from chat.replication import ReplicationReport, Replicator
from chat.session import Session
from chat.settings import Settings
from chat.store import Store
from chat.timeline import SWAPPED
from chat.watermark import Watermark
from chat.writer import Writer


@dataclass(frozen=True, slots=True)
class OpenFile:
    """One database file that is open: what reads it, what writes it, and how far its copy is."""

    store: Store
    writer: Writer
    watermark: Watermark


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the doors share. `files` is the open database files by persona; `main` is always among them.

    `put_back(persona, copy)` replaces one of them by the file in a folder of `restores`; it raises Unknown where there
    is no such file or copy, and Unavailable where it could not be done.
    """

    settings: Settings
    authenticator: Authenticator
    files: dict[str, OpenFile]
    hub: Hub
    broker: Broker
    observer: Observer
    replicator: Replicator
    replication: Callable[[], ReplicationReport]
    limiter: TokenBuckets
    logins: TokenBuckets
    typing: Typing
    exposition: Callable[[str], tuple[str, bytes]]
    archives: Archives = field(default_factory=NoArchives)
    put_back: Callable[[str, str], Awaitable[PutBack]] = nothing_to_put_back
    upkeep: Callable[[], list[PartHealth]] = list
    last_verified_restore_ms: Callable[[], int] = int

    def session(self, user: User, client: Client | None = None) -> Session:
        """Let `user` in, over a connection or for one request."""
        return Session(self, user, client)

    def file_of(self, conversation_id: str) -> OpenFile:
        """Find the file that a conversation lives in; raises Unknown where no file is open for its persona."""
        file = self.files.get(persona_of(conversation_id))
        if file is None:
            raise Unknown
        return file

    def health(self) -> list[PartHealth]:
        """Say how each part is, with the reason where one is not well."""
        writers = [
            PartHealth(
                part=f"writer of {persona}",
                ok=not file.writer.failure,
                reason=file.writer.failure,
                since_ms=file.writer.failed_ms if file.writer.failure else 0,
            )
            for persona, file in self.files.items()
        ]
        timelines = [_timeline_health(persona, file) for persona, file in self.files.items()]
        return [*writers, *timelines, *self.replication().health(), *self.upkeep()]


def _timeline_health(persona: str, file: OpenFile) -> PartHealth:
    """Tell of a file that was swapped until the next start: it is served, but something may be lost."""
    current = file.store.timeline.current
    is_swapped = current.kind == SWAPPED
    return PartHealth(
        part=f"timeline of {persona}",
        ok=not is_swapped,
        reason=current.cause if is_swapped else "",
        since_ms=current.since_ms if is_swapped else 0,
        critical=False,
    )
