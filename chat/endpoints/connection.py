"""Connection: what a server may offer beneath a WebSocket, so that an endpoint never awaits a client.

A server that has it puts it into `scope["extensions"][CONNECTION_EXTENSION]`; without it there are ASGI's own
messages, which need an await for every frame and have no way to cut a peer that does not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

CONNECTION_EXTENSION = "palaver.connection"

Offer = Callable[[str], bool]
"""Takes a text at once, or leaves it: False."""


class Connection(Protocol):
    """The transport of one WebSocket; for the event loop's thread only. Nothing of it raises."""

    @property
    def paused(self) -> bool:
        """Tell whether the peer reads too slowly: more than the server's high-water mark waits to be sent."""

    def write_text(self, payload: bytes) -> None:
        """Send UTF-8 text as one complete message, now.

        A paused connection takes it too and keeps it in memory: look at `paused` first. Before the WebSocket
        is accepted, and once it is closing or closed, nothing is sent.
        """

    def write_buffer_bytes(self) -> int:
        """Return how many bytes this process still holds for the peer; what the kernel took is not in it."""

    def on_resume(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that `paused` turns false: the peer has caught up, or is gone.

        There is one callback; a second call replaces it. It runs in the event loop and must not block.
        """

    def listen(self, offer: Offer) -> None:
        """Offer each text to `offer` the moment that it comes, while the application waits in `receive`.

        A text that it takes (True) is done with; every other comes by `receive`. So the order stays, and the texts
        that are taken cost no wake-up of a task.
        """

    def abort(self) -> None:
        """Cut the connection at once, without a close frame, and drop what waits to be sent."""
