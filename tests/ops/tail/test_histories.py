"""Every story of deaths and restores ends with what is stored on the screen; a careless reader's does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.models import RowId
from ops.tail.effects import Draw, Drop, Effect, Keep
from ops.tail.records import Bookmark
from ops.tail.timeline import Timeline
from ops.tail.wire import Event, Page, Publication
from tests.ops.tail.world import PAGE_SIZE, STEPS, World

Story = Sequence[tuple[Callable[[World, int], None], int]]

WITHOUT_RESTORES = [step for step in STEPS if step not in (World.restore, World.swap)]


def stories(steps: Sequence[Callable[[World, int], None]]) -> st.SearchStrategy[Story]:
    return st.lists(st.tuples(st.sampled_from(steps), st.integers(0, 5)), max_size=60)


def tell(story: Story, new_timeline: Callable[[Bookmark], Timeline] | None = None) -> World:
    world = World(new_timeline)
    for step, number in story:
        step(world, number)
    world.settle()
    return world


EXAMPLES = 150
EXAMPLES_OF_A_VARIANT = 50


@settings(max_examples=EXAMPLES)
@given(stories(STEPS))
def test_every_story_ends_with_the_stored_conversation_on_the_screen(story: Story) -> None:
    tell(story)


@settings(max_examples=EXAMPLES_OF_A_VARIANT)
@given(stories(STEPS))
def test_a_reader_who_recalls_older_messages_at_each_start_shows_the_same(story: Story) -> None:
    tell(story, lambda bookmark: Timeline(bookmark, PAGE_SIZE, recall=True))


@settings(max_examples=EXAMPLES_OF_A_VARIANT)
@given(stories(WITHOUT_RESTORES))
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
            kept = effect.records[0] if isinstance(effect, Keep) else None
            yield self._keep(replace(kept, seen=self._top)) if isinstance(kept, Bookmark) else effect


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
            seen = max(before, self.bookmark.seen, key=_seq)
            yield self._keep(replace(self.bookmark, seen=seen)) if isinstance(effect, Keep) else effect


def _seq(row: RowId) -> int:
    return row.seq


SUBSCRIBED: Story = [(World.connect, 0), (World.serve, 1), (World.receive, 1)]
PAGE_ARRIVES: Story = [(World.serve, 0), (World.answer, 0), (World.receive, 0)]

A_RESTORE_WHILE_THE_PAGE_IS_READ: Story = [
    (World.snapshot, 0),
    (World.post, 0),
    (World.post, 0),
    *SUBSCRIBED,
    (World.post, 0),
    (World.push, 0),
    (World.swap, 0),
    (World.post, 0),
    (World.join, 0),
    (World.join, 0),
    (World.post, 0),
    *PAGE_ARRIVES,
]
A_RESTORE: Story = [(World.snapshot, 0), (World.post, 0), (World.settle, 0), (World.restore, 0)]
A_DEATH_IN_THE_MIDDLE_OF_THE_PAGE: Story = [
    (World.post, 0),
    (World.post, 0),
    *SUBSCRIBED,
    (World.serve, 0),
    (World.answer, 0),
    (World.receive_and_crash, 3),
]
A_PAGE_NEWER_THAN_THE_TOP: Story = [*SUBSCRIBED, (World.post, 0), *PAGE_ARRIVES]
A_DEATH_BEFORE_AN_EVENT_IS_DRAWN: Story = [
    (World.settle, 0),
    (World.post, 0),
    (World.push, 0),
    (World.receive_and_crash, 2),
]
AN_EVENT_THAT_OVERTAKES_THE_PAGE: Story = [
    *SUBSCRIBED,
    (World.serve, 0),
    (World.post, 0),
    (World.push, 0),
    (World.receive, 0),
]
TWO_RESTORES: Story = [
    (World.snapshot, 0),
    (World.post, 0),
    (World.snapshot, 0),
    (World.settle, 0),
    (World.restore, 0),
    (World.type, 0),
    (World.settle, 0),
    (World.restore, 1),
]


@pytest.mark.parametrize(
    ("careless", "story"),
    [
        (DrawsAnyPage, A_RESTORE_WHILE_THE_PAGE_IS_READ),
        (KeepsWhatWasDrawn, A_RESTORE),
        (ThinksTheReloadDone, A_DEATH_IN_THE_MIDDLE_OF_THE_PAGE),
        (ForgetsWhatPagesShow, A_PAGE_NEWER_THAN_THE_TOP),
        (NotesThePlaceFirst, A_DEATH_BEFORE_AN_EVENT_IS_DRAWN),
        (HoldsNothing, AN_EVENT_THAT_OVERTAKES_THE_PAGE),
        (RemembersTooMuch, TWO_RESTORES),
    ],
)
def test_a_reader_who_drops_a_duty_is_found_out(careless: type[Timeline], story: Story) -> None:
    tell(story)
    with pytest.raises(AssertionError):
        tell(story, lambda bookmark: careless(bookmark, PAGE_SIZE))
