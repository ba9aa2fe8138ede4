"""What one connection brought on one channel, in the order of the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.waiting import until

Json = dict[str, Any]
RECOVERABLE_KEY = "offset"


class Feed:
    """Results of subscribes, publications (recovered ones first), ephemeral ones, and all other pushes."""

    def __init__(self) -> None:
        self.results: list[Json] = []
        self.publications: list[Json] = []
        self.ephemeral: list[Json] = []
        self.others: list[tuple[str, Json]] = []

    def note(self, kind: str, item: Json) -> None:
        """File one item: `subscribed` is a subscribe result, `pub` a publication, anything else a push."""
        if kind == "subscribed":
            self.results.append(item)
            self.publications.extend(item.get("publications", []))
        elif kind == "pub" and item.get(RECOVERABLE_KEY):
            self.publications.append(item)
        elif kind == "pub":
            self.ephemeral.append(item)
        else:
            self.others.append((kind, item))

    @property
    def offsets(self) -> list[int]:
        """Return the offsets of the publications as they came."""
        return [publication[RECOVERABLE_KEY] for publication in self.publications]

    @property
    def events(self) -> list[Json]:
        """Return the data of the publications as they came."""
        return [publication["data"] for publication in self.publications]

    @property
    def contents(self) -> list[str | None]:
        """Return the texts of the messages among them."""
        return [event.get("content") for event in self.events if event["type"] == "message"]

    async def wait(self, count: int, timeout_s: float = 10.0) -> list[Json]:
        """Return the events once there are at least `count` of them."""
        await until(lambda: len(self.publications) >= count, f"{count} publications", timeout_s)
        return self.events

    async def wait_for(self, wanted: Callable[[Json], bool], what: str, timeout_s: float = 10.0) -> Json:
        """Return the first event or ephemeral that is `wanted`."""
        return await until(lambda: self._first(wanted), what, timeout_s)

    async def wait_other(self, kind: str, timeout_s: float = 10.0) -> Json:
        """Return the first push of another `kind`: join, leave, unsubscribe, …"""
        return await until(lambda: self._first_other(kind), f"a {kind}", timeout_s)

    def _first_other(self, kind: str) -> Json | None:
        return next((item for other, item in self.others if other == kind), None)

    def _first(self, wanted: Callable[[Json], bool]) -> Json | None:
        data = [publication["data"] for publication in [*self.publications, *self.ephemeral]]
        return next((event for event in data if wanted(event)), None)
