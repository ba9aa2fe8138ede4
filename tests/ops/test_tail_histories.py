"""Any story of posts, edits, deaths and restores ends with the reader showing what is stored; a careless reader fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.models import RowId
from ops.tail.effects import Draw, Drop, Effect, Keep
from ops.tail.records import NOTHING_SEEN, Bookmark
from ops.tail.timeline import Timeline
from ops.tail.wire import Event, Page, Publication
from tests.ops.tail_world import PAGE_SIZE, STEPS, World

Story = Sequence[tuple[Callable[[World, int], None], int]]

STORIES = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=60)


def tell(story: Story, new_timeline: Callable[[Bookmark], Timeline] | None = None) -> World:
    world = World(new_timeline)
    for step, number in story:
        step(world, number)
    world.settle()
    return world


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STORIES)
def test_every_story_ends_with_the_stored_conversation_on_the_screen(story: Story) -> None:
    tell(story)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STORIES)
def test_a_reader_who_recalls_older_messages_at_each_start_shows_the_same(story: Story) -> None:
    tell(story, lambda bookmark: Timeline(bookmark, PAGE_SIZE, recall=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from([s for s in STEPS if s is not World.restore]), st.integers(0, 5))))
def test_without_a_restore_every_typed_line_is_stored_once_and_in_order(story: Story) -> None:
    world = tell(story)
    assert [row.content for row in world.history.rows if row.sender == "alice"] == world.typed


class DrawsAnyPage(Timeline):
    """Does not ask of which epoch a page is."""

    def paged(self, page: Page) -> Iterator[Effect]:
        return super().paged(Page(self.epoch, page.items))


class KeepsWhatWasDrawn(Timeline):
    """Reloads over what was drawn before."""

    def paged(self, page: Page) -> Iterator[Effect]:
        return (effect for effect in super().paged(page) if not isinstance(effect, Drop))


class ThinksTheReloadDone(Timeline):
    """Lets go of the reload before its page is drawn."""

    def _keep(self, bookmark: Bookmark, *, durable: bool = True) -> Keep:
        return super()._keep(replace(bookmark, reload_due=not bookmark.epoch), durable=durable)


class ForgetsWhatPagesShow(Timeline):
    """Does not count the rows of a page as seen."""

    def paged(self, page: Page) -> Iterator[Effect]:
        for effect in super().paged(page):
            if isinstance(effect, Keep) and isinstance(effect.records[0], Bookmark):
                yield self._keep(replace(effect.records[0], seen=max(self._top, NOTHING_SEEN, key=_seq)))
            else:
                yield effect


class NotesThePlaceFirst(Timeline):
    """Moves the position before the events are drawn."""

    def published(self, publications: Sequence[Publication]) -> Iterator[Effect]:
        effects = list(super().published(publications))
        return iter(sorted(effects, key=lambda effect: isinstance(effect, Draw)))


class HoldsNothing(Timeline):
    """Draws what happens while a page is in flight at once."""

    def published(self, publications: Sequence[Publication]) -> Iterator[Effect]:
        return self._deliver(publications)


class RemembersTooMuch(Timeline):
    """Takes what was seen before a reload for seen after it."""

    def _reload(self, events: Sequence[Event]) -> Iterator[Effect]:
        before = self.bookmark.seen
        for effect in super()._reload(events):
            if isinstance(effect, Keep):
                yield self._keep(replace(self.bookmark, seen=max(before, self.bookmark.seen, key=_seq)))
            else:
                yield effect


def _seq(row: RowId) -> int:
    return row.seq


@pytest.mark.parametrize(
    "careless",
    [
        DrawsAnyPage,
        KeepsWhatWasDrawn,
        ThinksTheReloadDone,
        ForgetsWhatPagesShow,
        NotesThePlaceFirst,
        HoldsNothing,
        RemembersTooMuch,
    ],
)
def test_a_reader_who_drops_a_duty_is_found_out(careless: type[Timeline]) -> None:
    def goes_wrong(story: Story) -> bool:
        try:
            tell(story, lambda bookmark: careless(bookmark, PAGE_SIZE))
        except AssertionError:
            return True
        return False

    found = find(
        STORIES,
        goes_wrong,
        settings=settings(max_examples=20_000, deadline=None, phases=[Phase.generate], database=None),
    )
    assert found
