"""ETag, If-Match and If-None-Match."""

from __future__ import annotations

import msgspec
import pytest

from chat.commands import DeleteMessage, EditMessage, GetConversation, GetMessage, UpdateConversation
from chat.errors import VersionMismatch
from tests.chat.endpoints.rest_stand import ID, MESSAGE, PATH, Core, ask

ONE = f"{PATH}/messages/7"


async def test_a_message_carries_its_version_as_etag(core: Core) -> None:
    answer = await ask(core, "GET", ONE)

    assert answer.headers["etag"] == '"aa11.9"'


async def test_if_match_becomes_the_version_of_the_command(core: Core) -> None:
    await ask(core, "PATCH", ONE, json={"content": "ho"}, headers={"If-Match": '"aa11.9"'})

    assert core.command == EditMessage(conversation_id=ID, seq=7, content="ho", version="aa11.9")


async def test_if_match_works_without_a_body_too(core: Core) -> None:
    await ask(core, "DELETE", ONE, headers={"If-Match": '"aa11.9"'})

    assert core.command == DeleteMessage(conversation_id=ID, seq=7, version="aa11.9")


async def test_a_star_matches_whatever_is_there(core: Core) -> None:
    await ask(core, "PATCH", PATH, json={"title": "a"}, headers={"If-Match": "*"})

    assert core.command == UpdateConversation(conversation_id=ID, title="a")


@pytest.mark.parametrize(
    "value",
    [
        'W/"aa11.9"',
        "aa11.9",
        '"aa11"',
        '"aa11.x"',
        '"AA11.9"',
        '""',
        "",
        '"aa11.9',
        '"aa11.9" "aa11.8"',
        "**",
    ],
)
async def test_a_weak_or_malformed_if_match_is_refused(core: Core, value: str) -> None:
    answer = await ask(core, "DELETE", ONE, headers={"If-Match": value})

    assert (answer.status_code, answer.json()["code"]) == (400, 107)
    assert core.asked == []


@pytest.mark.parametrize("value", ['"zz99.1", "aa11.9"', '"aa11.9","zz99.1"', '"zz99.1" ,\t"aa11.9"'])
async def test_of_several_versions_todays_is_taken(core: Core, value: str) -> None:
    await ask(core, "DELETE", ONE, headers={"If-Match": value})

    assert [command for _, command in core.asked] == [
        GetMessage(conversation_id=ID, seq=7),
        DeleteMessage(conversation_id=ID, seq=7, version="aa11.9"),
    ]


async def test_several_headers_are_one_list(core: Core) -> None:
    headers = [("If-Match", '"zz99.1"'), ("If-Match", '"aa11.3"')]

    await ask(core, "PATCH", PATH, json={"title": "a"}, headers=headers)

    assert [command for _, command in core.asked] == [
        GetConversation(conversation_id=ID),
        UpdateConversation(conversation_id=ID, title="a", version="aa11.3"),
    ]


async def test_of_several_versions_that_are_all_old_the_store_refuses_one(core: Core) -> None:
    core.answers[DeleteMessage] = VersionMismatch()

    answer = await ask(core, "DELETE", ONE, headers={"If-Match": '"zz99.1", "zz99.2"'})

    assert (answer.status_code, answer.json()["code"]) == (412, 412)
    assert core.asked[-1][1] == DeleteMessage(conversation_id=ID, seq=7, version="zz99.1")


async def test_a_list_without_end_is_refused(core: Core) -> None:
    answer = await ask(core, "DELETE", ONE, headers={"If-Match": ", ".join(['"aa11.9"'] * 17)})

    assert (answer.status_code, core.asked) == (400, [])


async def test_a_version_in_the_body_may_repeat_the_header_but_not_contradict_it(core: Core) -> None:
    same = {"content": "ho", "version": "aa11.9"}
    other = {"content": "ho", "version": "aa11.8"}

    agreed = await ask(core, "PATCH", ONE, json=same, headers={"If-Match": '"aa11.9"'})
    refused = await ask(core, "PATCH", ONE, json=other, headers={"If-Match": '"aa11.9"'})

    assert (agreed.status_code, refused.status_code) == (200, 400)


async def test_if_match_is_refused_where_it_would_protect_nothing(core: Core) -> None:
    answer = await ask(core, "DELETE", PATH, headers={"If-Match": '"aa11.3"'})

    assert (answer.status_code, core.asked) == (400, [])


@pytest.mark.parametrize("value", ['"aa11.9"', 'W/"aa11.9"', '"x", "aa11.9"', "*"])
async def test_a_message_that_the_client_has_already_is_304(core: Core, value: str) -> None:
    answer = await ask(core, "GET", ONE, headers={"If-None-Match": value})

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"aa11.9"')


@pytest.mark.parametrize("value", ['"aa11.8"', '"x"', 'W/"aa11.90"'])
async def test_a_message_that_changed_is_sent(core: Core, value: str) -> None:
    answer = await ask(core, "GET", ONE, headers={"If-None-Match": value})

    assert answer.status_code == 200
    assert answer.json() == msgspec.to_builtins(MESSAGE)


async def test_a_malformed_if_none_match_is_refused(core: Core) -> None:
    answer = await ask(core, "GET", ONE, headers={"If-None-Match": "aa11.9"})

    assert (answer.status_code, answer.json()["code"]) == (400, 107)


async def test_a_conversation_is_sent_always_since_its_unread_count_changes_without_its_version(
    core: Core,
) -> None:
    answer = await ask(core, "GET", PATH, headers={"If-None-Match": '"aa11.3"'})

    assert answer.status_code == 200
