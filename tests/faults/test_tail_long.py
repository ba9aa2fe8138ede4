"""The stories of tests/ops/tail/test_histories.py, more of them: some for every cycle."""

from __future__ import annotations

from hypothesis import given, settings

from tests.ops.tail.test_histories import Story, stories, tell
from tests.ops.tail.world import STEPS

STORIES_PER_CYCLE = 10


def test_many_stories_end_with_the_stored_conversation_on_the_screen(cycles: int) -> None:
    @settings(max_examples=cycles * STORIES_PER_CYCLE)
    @given(stories(STEPS))
    def told(story: Story) -> None:
        tell(story)

    told()
