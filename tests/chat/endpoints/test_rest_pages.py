"""Pages: `next` and `previous` as addresses, the Link header, limits and anchors."""

from __future__ import annotations

import msgspec
import pytest

from chat.commands import ListConversations, ListMembers, ReadEvents, ReadHistory
from chat.models import EventPage, Listing, MemberPage, Page
from tests.chat.endpoints.rest_stand import CONVERSATION, ID, MESSAGE, PATH, Core, ask


def page(following: int | None, previous: int | None = None) -> Page:
    return Page(items=[MESSAGE], next=following, previous=previous, epoch="bb22", offset=9)


@pytest.mark.parametrize(
    ("query", "following"),
    [
        ("", "?before=7"),
        ("?limit=1", "?before=7&limit=1"),
        ("?before=9&limit=1", "?before=7&limit=1"),
        ("?around=9", "?after=7"),
        ("?after=3&limit=5", "?after=7&limit=5"),
    ],
)
async def test_the_next_page_goes_on_in_the_direction_of_reading(
    core: Core, query: str, following: str
) -> None:
    core.answers[ReadHistory] = page(7)

    answer = await ask(core, "GET", f"{PATH}/messages{query}")

    assert answer.json()["next"] == f"{PATH}/messages{following}"
    assert answer.headers["link"] == f'<{PATH}/messages{following}>; rel="next"'


@pytest.mark.parametrize(
    ("query", "following", "previous"),
    [
        ("?before=9&limit=1", "?before=7&limit=1", "?after=8&limit=1"),
        ("?around=9", "?after=7", "?before=8"),
        ("?after=3&limit=5", "?after=7&limit=5", "?before=8&limit=5"),
    ],
)
async def test_the_page_on_the_other_side_is_an_address_and_a_link_too(
    core: Core, query: str, following: str, previous: str
) -> None:
    core.answers[ReadHistory] = page(7, 8)

    answer = await ask(core, "GET", f"{PATH}/messages{query}")

    assert answer.json()["previous"] == f"{PATH}/messages{previous}"
    assert answer.headers["link"] == (
        f'<{PATH}/messages{following}>; rel="next", <{PATH}/messages{previous}>; rel="prev"'
    )


async def test_a_page_with_nothing_ahead_links_to_the_one_behind(core: Core) -> None:
    core.answers[ReadHistory] = page(None, 8)

    answer = await ask(core, "GET", f"{PATH}/messages?around=9")

    assert (answer.json()["next"], answer.json()["previous"]) == (None, f"{PATH}/messages?before=8")
    assert answer.headers["link"] == f'<{PATH}/messages?before=8>; rel="prev"'


async def test_the_last_page_has_no_next_and_no_link(core: Core) -> None:
    answer = await ask(core, "GET", f"{PATH}/messages")

    assert answer.json() == {
        "items": [msgspec.to_builtins(MESSAGE)],
        "next": None,
        "previous": None,
        "epoch": "bb22",
        "offset": 9,
    }
    assert "link" not in answer.headers


async def test_the_next_page_can_be_asked_for_as_it_stands(core: Core) -> None:
    core.answers[ReadHistory] = page(7)
    first = await ask(core, "GET", f"{PATH}/messages?limit=1")
    await ask(core, "GET", first.json()["next"])

    assert core.asked[-1][1] == ReadHistory(conversation_id=ID, before=7, limit=1)


async def test_the_next_conversations_keep_limit_and_kind(core: Core) -> None:
    core.answers[ListConversations] = Listing(items=[CONVERSATION], next="12.7")

    answer = await ask(core, "GET", "/v1/conversations?limit=2&kind=team")
    await ask(core, "GET", answer.json()["next"])

    assert core.asked[-1][1] == ListConversations(limit=2, kind="team", cursor="12.7")


async def test_the_next_members_are_an_address(core: Core) -> None:
    core.answers[ListMembers] = MemberPage(items=[], next="12.7")

    answer = await ask(core, "GET", f"{PATH}/members")

    assert answer.json()["next"] == f"{PATH}/members?cursor=12.7"
    assert answer.headers["link"] == f'<{PATH}/members?cursor=12.7>; rel="next"'


async def test_the_next_events_go_on_under_the_epoch_that_the_page_names(core: Core) -> None:
    core.answers[ReadEvents] = EventPage(items=[MESSAGE], next=7, epoch="bb22", offset=9)

    answer = await ask(core, "GET", f"{PATH}/events?epoch=aa11&offset=3&seen_seq=3&seen_epoch=aa11&limit=4")
    await ask(core, "GET", answer.json()["next"])

    assert core.asked[-1][1] == ReadEvents(conversation_id=ID, epoch="bb22", offset=7, limit=4)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/conversations?limit=0",
        "/v1/conversations?limit=-1",
        "/v1/conversations?limit=null",
        "/v1/conversations?limit=",
        "/v1/conversations?limit=ten",
        "/v1/conversations?limit=1.5",
        "/v1/conversations?limit=9223372036854775808",
        "/v1/conversations?limit=1&limit=2",
        "/v1/conversations?cursor=%FF",
        "/v1/conversations?kind=NO",
        "/v1/conversations?" + "&".join(f"a{number}=1" for number in range(33)),
        f"{PATH}/messages?before=0",
        f"{PATH}/messages?before=-1",
        f"{PATH}/messages?after=-1",
        f"{PATH}/messages?around=9007199254740992",
        f"{PATH}/messages/0",
        f"{PATH}/messages/-1",
        f"{PATH}/messages/seven",
        f"{PATH}/messages/9223372036854775808",
        f"{PATH}/events?offset=-1",
        f"{PATH}/events?seen_seq=3",
        f"{PATH}/events?seen_epoch=aa11",
        f"{PATH}/events?epoch=" + "e" * 65,
    ],
)
async def test_a_parameter_that_cannot_be_used_is_400(core: Core, path: str) -> None:
    answer = await ask(core, "GET", path)

    assert (answer.status_code, answer.json()["code"]) == (400, 107), answer.text
    assert core.asked == []


async def test_parameters_that_nobody_knows_are_ignored_however_often_they_come(core: Core) -> None:
    answer = await ask(core, "GET", f"{PATH}/messages?limit=3&colour=red&colour=blue")

    assert answer.status_code == 200
    assert core.command == ReadHistory(conversation_id=ID, limit=3)
