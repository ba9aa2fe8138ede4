"""One connection: lines leave one by one in order, errors mean what the catalogue says, parting ways too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ops.tail.effects import Effect, Introduce, Keep, Pause, Reject, Send
from ops.tail.ending import Ending, ExitCode, Lost
from ops.tail.outbox import Outbox
from ops.tail.records import Bookmark, Draft, Settled
from ops.tail.session import FRAME_BYTES_MAX, Session
from ops.tail.timeline import Timeline
from ops.tail.wire import Name, Reply, decode_frame

CHANNEL = "main:0192"
Json = dict[str, Any]


class Talk:
    """A session, and everything that it wanted done."""

    def __init__(self, outbox: Outbox | None = None, bookmark: Bookmark | None = None) -> None:
        self.outbox = Outbox() if outbox is None else outbox
        self.timeline = Timeline(bookmark or Bookmark(), 50)
        self.session = Session(CHANNEL, self.timeline, self.outbox)
        self.effects: list[Effect] = []

    def do(self, effects: Iterator[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)

    def receive(self, *replies: Json) -> None:
        self.do(self.session.receive(frame(*replies)))

    def go_live(self) -> None:
        self.do(self.session.open("token"))
        self.receive({"id": 1, "connect": {"ping": 25}}, subscribed())
        self.receive({"id": 3, "rpc": {"data": {"epoch": "e1", "items": [], "next": None, "offset": 0}}})

    def sent(self) -> list[Json]:
        return [effect.command for effect in self.effects if isinstance(effect, Send)]

    def lines_sent(self) -> list[Json]:
        data = [rpc["data"] for rpc in (sent.get("rpc", {}) for sent in self.sent()) if rpc]
        return [each for each in data if "content" in each]


def frame(*replies: Json) -> list[Reply]:
    return decode_frame(b"\n".join(msgspec.json.encode(reply) for reply in replies))


def subscribed(id: int = 2) -> Json:
    top = {"seq": 0, "epoch": ""}
    return {"id": id, "subscribe": {"epoch": "e1", "offset": 0, "data": {"epoch": "e1", "top": top}}}


def acked(id: int, seq: int, *, epoch: str = "e1", duplicate: bool = False) -> Json:
    return {"id": id, "rpc": {"data": {"seq": seq, "epoch": epoch, "duplicate": duplicate}}}


def failed(id: int, code: int, *, temporary: bool = False) -> Json:
    return {"id": id, "error": {"code": code, "message": "so it is", "temporary": temporary}}


def push(**body: object) -> Json:
    return {"push": {"channel": CHANNEL, **body}}


def test_a_connection_begins_with_connect_subscribe_and_a_page() -> None:
    talk = Talk()
    talk.go_live()
    connect, subscribe, history = talk.sent()
    assert connect == {"id": 1, "connect": {"token": "token", "name": "palaver-tail"}}
    assert subscribe["subscribe"]["channel"] == CHANNEL
    assert history["rpc"] == {"method": "history", "data": {"conversation_id": CHANNEL, "limit": 50}}
    assert talk.timeline.is_live


def test_lines_wait_until_the_conversation_is_loaded_and_leave_one_by_one_in_order() -> None:
    outbox = Outbox()
    first, second = outbox.add("one"), outbox.add("two")
    talk = Talk(outbox)
    talk.do(talk.session.open("token"))
    talk.do(talk.session.flush())
    assert talk.lines_sent() == []
    talk.receive({"id": 1, "connect": {}}, subscribed())
    talk.receive({"id": 3, "rpc": {"data": {"epoch": "e1", "items": []}}})
    talk.do(talk.session.flush())
    assert [line["content"] for line in talk.lines_sent()] == ["one"]
    talk.receive(acked(4, 1))
    assert [line["content"] for line in talk.lines_sent()] == ["one", "two"]
    talk.receive(acked(5, 2))
    assert len(outbox) == 0
    settled = [effect.records for effect in talk.effects if isinstance(effect, Keep)][-4:]
    assert (Settled(first.client_message_id),) in settled
    assert (Settled(second.client_message_id),) in settled


def test_a_draft_is_stamped_with_the_epoch_of_its_first_sending_on_disk_before_it_leaves() -> None:
    outbox = Outbox()
    talk = Talk(outbox)
    talk.go_live()
    draft = outbox.add("hi")
    talk.effects.clear()
    talk.do(talk.session.flush())
    stamped = Draft(draft.client_message_id, "hi", "e1")
    assert talk.effects[0] == Keep((stamped,), durable=True)
    assert talk.lines_sent() == [
        {
            "conversation_id": CHANNEL,
            "client_message_id": draft.client_message_id,
            "content": "hi",
            "first_sent_epoch": "e1",
        }
    ]


def test_a_draft_that_was_sent_before_keeps_its_key_and_its_epoch() -> None:
    talk = Talk(Outbox([Draft("key", "hi", "e0")]))
    talk.go_live()
    assert [(line["client_message_id"], line["first_sent_epoch"]) for line in talk.lines_sent()] == [
        ("key", "e0")
    ]
    talk.receive(acked(4, 7, duplicate=True))
    assert len(talk.outbox) == 0


def test_an_ack_of_another_epoch_leaves_the_draft_where_it_is() -> None:
    talk = Talk(Outbox([Draft("key", "hi", "e0")]))
    talk.go_live()
    with pytest.raises(Lost):
        talk.receive(acked(4, 7, epoch="e2"))
    assert talk.outbox.first == Draft("key", "hi", "e0")


def test_a_second_ack_for_the_same_line_changes_nothing() -> None:
    talk = Talk(Outbox([Draft("key", "hi", "e0")]))
    talk.go_live()
    talk.receive(acked(4, 1), acked(4, 1))
    assert len(talk.outbox) == 0


@pytest.mark.parametrize("code", [103, 107, 108, 409, 410, 413])
def test_a_line_that_is_refused_for_good_is_put_aside_and_the_next_one_leaves(code: int) -> None:
    talk = Talk(Outbox([Draft("bad", "x", "e0"), Draft("good", "y", "e0")]))
    talk.go_live()
    talk.receive(failed(4, code))
    assert Reject(Draft("bad", "x", "e0"), code, "so it is") in talk.effects
    assert [line["client_message_id"] for line in talk.lines_sent()] == ["bad", "good"]


def test_a_line_too_large_for_a_frame_is_refused_before_it_costs_the_connection() -> None:
    talk = Talk(Outbox([Draft("bad", "x" * FRAME_BYTES_MAX), Draft("good", "y")]))
    talk.go_live()
    assert [effect.code for effect in talk.effects if isinstance(effect, Reject)] == [413]
    assert [line["client_message_id"] for line in talk.lines_sent()] == ["good"]


@pytest.mark.parametrize("code", [100, 111, 503])
def test_a_temporary_error_pauses_the_outbox_and_keeps_the_order(code: int) -> None:
    talk = Talk(Outbox([Draft("one", "x", "e0"), Draft("two", "y", "e0")]))
    talk.go_live()
    talk.receive(failed(4, code, temporary=True))
    assert Pause("so it is") in talk.effects
    talk.do(talk.session.flush())
    assert [line["client_message_id"] for line in talk.lines_sent()] == ["one"]
    talk.do(talk.session.resume())
    assert [line["client_message_id"] for line in talk.lines_sent()] == ["one", "one"]


@pytest.mark.parametrize(("code", "exit_code"), [(102, ExitCode.CONVERSATION), (109, ExitCode.TOKEN)])
def test_an_error_about_the_reader_ends_all_and_keeps_the_line(code: int, exit_code: ExitCode) -> None:
    talk = Talk(Outbox([Draft("key", "x", "e0")]))
    talk.go_live()
    with pytest.raises(Ending) as ended:
        talk.receive(failed(4, code))
    assert ended.value.code is exit_code
    assert len(talk.outbox) == 1


@pytest.mark.parametrize(
    ("id", "code", "exit_code"),
    [
        (1, 101, ExitCode.TOKEN),
        (1, 109, ExitCode.TOKEN),
        (2, 102, ExitCode.CONVERSATION),
        (2, 103, ExitCode.REFUSED),
        (2, 106, ExitCode.REFUSED),
    ],
)
def test_a_refused_connect_or_subscribe_ends_all(id: int, code: int, exit_code: ExitCode) -> None:
    talk = Talk()
    talk.do(talk.session.open("token"))
    with pytest.raises(Ending) as ended:
        talk.receive(failed(id, code))
    assert ended.value.code is exit_code
    assert str(ended.value)


@pytest.mark.parametrize("id", [1, 2])
def test_a_temporary_refusal_is_tried_again(id: int) -> None:
    talk = Talk()
    talk.do(talk.session.open("token"))
    with pytest.raises(Lost):
        talk.receive(failed(id, 111, temporary=True))


def test_an_unrecoverable_position_makes_a_reload_due_and_subscribes_once_more() -> None:
    talk = Talk(bookmark=Bookmark("e0", 3, reload_due=False))
    talk.do(talk.session.open("token"))
    talk.receive({"id": 1, "connect": {}}, failed(2, 112))
    assert Keep((Bookmark("e0", 3, reload_due=True),)) in talk.effects
    again = talk.sent()[-1]
    assert "recover" not in again["subscribe"]
    talk.receive(subscribed(again["id"]))
    assert talk.sent()[-1]["rpc"]["method"] == "history"


def test_a_contradiction_makes_a_reload_due_before_the_connection_is_given_up() -> None:
    talk = Talk(bookmark=Bookmark("e1", 0, reload_due=False))
    talk.do(talk.session.open("token"))
    missed = {"data": {"type": "message", "seq": 3}, "offset": 3}
    top = {"seq": 3, "epoch": "e1"}
    result = {"epoch": "e1", "recovered": True, "publications": [missed], "data": {"epoch": "e1", "top": top}}
    with pytest.raises(Lost):
        talk.receive({"id": 2, "subscribe": result})
    assert talk.timeline.bookmark.reload_due
    assert Keep((talk.timeline.bookmark,)) in talk.effects


def test_a_subscription_that_is_to_be_renewed_is_renewed() -> None:
    talk = Talk()
    talk.go_live()
    talk.receive(push(unsubscribe={"code": 2500, "reason": "insufficient state"}))
    assert talk.sent()[-1]["subscribe"]["recover"] is True
    assert not talk.timeline.is_live


def test_a_subscription_that_is_over_ends_all() -> None:
    talk = Talk()
    talk.go_live()
    with pytest.raises(Ending) as ended:
        talk.receive(push(unsubscribe={"code": 2000, "reason": "no longer a member"}))
    assert ended.value.code is ExitCode.CONVERSATION


def test_the_users_own_news_of_a_removal_ends_all_and_other_news_does_not() -> None:
    talk = Talk()
    talk.go_live()

    def news(type: str, conversation: str) -> Json:
        data = {"type": type, "conversation_id": conversation}
        return {"push": {"channel": "user:alice", "pub": {"data": data}}}

    talk.receive(news("conversation.removed", "main:other"), news("conversation.joined", CHANNEL))
    with pytest.raises(Ending):
        talk.receive(news("conversation.removed", CHANNEL))


@pytest.mark.parametrize(
    ("code", "expected"),
    [(3001, Lost), (4000, Lost), (3005, Ending), (3500, Ending), (3503, Ending), (4500, Ending)],
)
def test_a_pushed_disconnect_means_what_its_code_says(code: int, expected: type[Exception]) -> None:
    talk = Talk()
    talk.go_live()
    with pytest.raises(expected):
        talk.receive({"push": {"disconnect": {"code": code, "reason": "so it is"}}})


def test_the_events_of_a_frame_are_kept_together() -> None:
    talk = Talk()
    talk.go_live()
    talk.effects.clear()
    events = [
        push(pub={"data": {"type": "message", "seq": seq, "epoch": "e1", "content": "hi"}, "offset": seq})
        for seq in (1, 2, 3)
    ]
    talk.receive(*events)
    assert [type(effect).__name__ for effect in talk.effects] == ["Keep", "Draw", "Draw", "Draw", "Keep"]


def test_answers_to_nothing_that_was_asked_are_passed_over() -> None:
    talk = Talk()
    talk.go_live()
    talk.effects.clear()
    talk.receive({"id": 99, "rpc": {"data": {}}}, {"push": {"channel": CHANNEL, "join": {"info": {}}}})
    assert talk.effects == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"rpc": {"data": {"kind": "group", "title": "Hello"}}}, [Introduce(Name("group", "Hello"))]),
        ({"error": {"code": 102, "message": "unknown conversation"}}, []),
    ],
)
def test_the_name_is_asked_before_the_subscription_which_does_not_depend_on_it(
    answer: Json, said: list[Effect]
) -> None:
    talk = Talk()
    talk.session = Session(CHANNEL, talk.timeline, talk.outbox, introduces=True)
    talk.do(talk.session.open("token"))
    assert [command["id"] for command in talk.sent() if "subscribe" not in command] == [1, 2]
    talk.receive({"id": 1, "connect": {"ping": 25}}, {"id": 2} | answer)
    assert [effect for effect in talk.effects if isinstance(effect, Introduce)] == said
    assert "subscribe" in talk.sent()[-1]
    assert len(talk.sent()) == 3
