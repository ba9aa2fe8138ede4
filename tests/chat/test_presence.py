"""Presence and typing: true for the moment, and kept nowhere."""

from __future__ import annotations

import pytest

from chat import presence
from chat.hub import Hub, Wish
from chat.observer import NullObserver
from chat.presence import Presence, Present, Typing, present
from chat.settings import Settings
from tests.support.listening import Ear, PlainWire


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_each_user_is_counted_with_his_connections_in_order_of_coming() -> None:
    hub, wire = Hub(Settings(), NullObserver()), PlainWire()
    for name in ("bob", "alice", "bob"):
        Ear(name, wire).listen(hub, "here")
    Ear("carol", wire).listen(hub, "there")
    hub.register(Ear("dave", wire).client, "here", Wish())  # not live yet
    assert present(hub, "here") == Presence([Present("bob", 2), Present("alice", 1)])
    assert present(hub, "nowhere") == Presence([])


def test_typing_is_news_once_per_interval_user_and_conversation() -> None:
    clock = Clock()
    typing = Typing(2.0, clock)
    assert typing.is_news("alice", "here")
    assert not typing.is_news("alice", "here")
    assert typing.is_news("alice", "there")
    assert typing.is_news("bob", "here")
    clock.now_s += 1.9
    assert not typing.is_news("alice", "here")
    clock.now_s += 0.2
    assert typing.is_news("alice", "here")
    assert not typing.is_news("alice", "here")


def test_what_is_remembered_of_typing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "REMEMBERED_MAX", 3)
    typing = Typing(2.0, Clock())
    assert [typing.is_news(str(number), "here") for number in range(10)] == [True] * 10
    assert len(typing._told_s) <= 3
