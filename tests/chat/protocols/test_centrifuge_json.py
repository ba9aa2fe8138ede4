from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chat.errors import (
    CATALOGUE,
    DISCONNECTS,
    SLOW,
    UNSUBSCRIBES,
    BadRequest,
    Problem,
    TooManyRequests,
    Unknown,
)
from chat.protocols import centrifuge_json as codec
from chat.protocols.centrifuge_json import BadFrame, decode
from chat.protocols.centrifuge_requests import (
    COMMAND_ID_MAX,
    KINDS,
    PONG,
    Connect,
    History,
    Invalid,
    Ping,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Request,
    Rpc,
    Send,
    Since,
    SubRefresh,
    Subscribe,
    Unsubscribe,
    Wish,
)
from chat.protocols.centrifuge_results import (
    ClientInfo,
    ConnectResult,
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    RefreshResult,
    Result,
    SubRefreshResult,
    SubscribeResult,
)

CHANNEL = "main:0192f0a0-0000-7000-8000-000000000000"
HALF = r'"\ud83d"'


def only(frame: str | bytes) -> Request:
    (request,) = decode(frame)
    return request


def refused(frame: str | bytes) -> tuple[int, str]:
    """Return the id and the detail of a frame's one command, whose body is wrong."""
    request = only(frame)
    assert isinstance(request.body, Invalid)
    assert isinstance(request.body.problem, BadRequest)
    return request.id, request.body.problem.detail


COMMANDS = [
    (
        (
            '{"id":1,"connect":{"token":"t","data":{"a":1},"name":"js","version":"1","headers":{"a":"b"},'
            '"subs":{"user:alice":{"recover":true,"epoch":"e","offset":7}}}}'
        ),
        Connect(
            token="t",
            data=Raw(b'{"a":1}'),
            name="js",
            version="1",
            headers={"a": "b"},
            subs={"user:alice": Wish(recover=True, epoch="e", offset=7)},
        ),
    ),
    ('{"id":1,"connect":{}}', Connect()),
    (
        (
            '{"id":1,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e",'
            '"offset":9007199254740991,"data":{"seen":null},"positioned":true,"recoverable":true,'
            '"join_leave":true,"flag":3,"type":1,"delta":"fossil","tf":{}}}'
        ),
        Subscribe(
            channel="c",
            token="t",
            recover=True,
            epoch="e",
            offset=2**53 - 1,
            data=Raw(b'{"seen":null}'),
            positioned=True,
            recoverable=True,
            join_leave=True,
            flag=3,
            type=1,
        ),
    ),
    ('{"id":1,"unsubscribe":{"channel":"c"}}', Unsubscribe(channel="c")),
    ('{"id":1,"publish":{"channel":"c","data":[1]}}', Publish(channel="c", data=Raw(b"[1]"))),
    ('{"id":1,"presence":{"channel":"c"}}', Presence(channel="c")),
    ('{"id":1,"presence_stats":{"channel":"c"}}', PresenceStats(channel="c")),
    (
        '{"id":1,"history":{"channel":"c","limit":-1,"since":{"offset":3,"epoch":"e"},"reverse":true}}',
        History(channel="c", limit=-1, since=Since(offset=3, epoch="e"), reverse=True),
    ),
    ('{"id":1,"history":{"channel":"c"}}', History(channel="c")),
    ('{"id":1,"ping":{}}', Ping()),
    ('{"id":1,"send":{"data":"x"}}', Send(data=Raw(b'"x"'))),
    ('{"id":1,"rpc":{"method":"send","data":{"é":"ü"}}}', Rpc(method="send", data=Raw('{"é":"ü"}'.encode()))),
    ('{"id":1,"rpc":{}}', Rpc()),
    ('{"id":1,"refresh":{"token":"t"}}', Refresh(token="t")),
    ('{"id":1,"sub_refresh":{"channel":"c","token":"t"}}', SubRefresh(channel="c", token="t")),
]


@pytest.mark.parametrize(
    ("frame", "body"), COMMANDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_read_from_text_and_from_bytes(frame: str, body: msgspec.Struct) -> None:
    for read in (only(frame), only(frame.encode()), only(f" {frame}\r\n")):
        assert read.id == 1
        assert fields(read.body) == fields(body)


def fields(body: msgspec.Struct) -> tuple[type, dict[str, Any]]:
    named = msgspec.structs.asdict(body)
    return type(body), {
        name: bytes(value) if isinstance(value, Raw) else value for name, value in named.items()
    }


def test_every_command_of_the_protocol_has_been_tried() -> None:
    assert {body.kind for _, body in COMMANDS} == set(KINDS)
    assert {only(frame).body.kind for frame, _ in COMMANDS} == set(KINDS)


def test_the_place_of_the_id_does_not_matter() -> None:
    assert only('{"rpc":{"method":"send"},"id":7}').id == 7


@pytest.mark.parametrize("frame", ["{}", " { } ", "{}\n", b"{}", "\n{}"])
def test_an_empty_object_is_a_pong(frame: str | bytes) -> None:
    assert decode(frame) == [Request(0, PONG)]


def test_several_commands_of_a_frame_come_in_their_order() -> None:
    frame = '{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"c"}}\n\n{}\n{"send":{}}\n'
    assert [(request.id, request.body.kind) for request in decode(frame)] == [
        (1, "connect"),
        (2, "subscribe"),
        (0, "pong"),
        (0, "send"),
    ]


def test_a_frame_has_a_largest_number_of_commands() -> None:
    commands = ['{"id":1,"ping":{}}'] * codec.COMMANDS_PER_FRAME_MAX
    assert len(decode("\n".join([*commands, "", " "]))) == codec.COMMANDS_PER_FRAME_MAX
    with pytest.raises(BadFrame):
        decode("\n".join([*commands, "{}"]))


def test_unknown_fields_are_ignored() -> None:
    assert only('{"id":1,"ping":{"a":1},"new":[{}]}').body == Ping()


def test_a_body_that_is_null_is_absent() -> None:
    assert only('{"id":1,"ping":{},"rpc":null}').body == Ping()


def test_only_send_needs_no_id() -> None:
    assert only('{"send":{}}') == Request(0, Send())
    with pytest.raises(BadFrame):
        decode('{"rpc":{"method":"send"}}')


def test_the_flag_that_asks_for_an_error_is_told_from_the_others() -> None:
    assert [Wish(flag=flag).rejects_unrecovered for flag in range(5)] == [False, False, True, True, False]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "\n\n",
        "x",
        "null",
        "5",
        '"{}"',
        "[]",
        "[{}]",
        "{",
        "{}{}",
        "{}\x00",
        "\x00",
        "\ufeff{}",
        "\ud800",
        "[" * 60_000,
        '{"a":' * 10_000,
        '{"id":1',
        '{"id":1,"rpc":{"method":"send"}',
        '{"id":1,"rpc":{"data":NaN}}',
        '{"id":1,"rpc":{"data":01}}',
        '{"id":1,"rpc":{"data":"\x01"}}',
        '{"id":1,"rpc":{"data":"\t"}}',
        '{"id":1}',
        '{"id":1,"unknown":{}}',
        '{"unknown":{}}',
        '{"id":1,"ping":null}',
        '{"id":1,"ping":{},"rpc":{}}',
        '{"id":1,"ping":5,"rpc":5}',
        '{"id":0,"ping":{}}',
        '{"id":-1,"ping":{}}',
        '{"id":4294967296,"ping":{}}',
        '{"id":18446744073709551616,"ping":{}}',
        '{"id":1e400,"ping":{}}',
        '{"id":' + "9" * 5_000 + ',"ping":{}}',
        '{"id":"1","ping":{}}',
        '{"id":null,"ping":{}}',
        '{"id":true,"ping":{}}',
        '{"id":1.5,"ping":{}}',
        '{"id":[],"rpc":5}',
        '{"id":{},"rpc":5}',
        '{"rpc":5}',
        '{"send":5}',
        '{"id":0,"rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + "}}",
        '{"rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + "}}",
        '{"rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + '},"id":9999999999}',
        '{}\n{"id":1}',
        b"\xff",
        b'{"id":1,"rpc":{"data":"\xff"}}',
        b'{"id":1,"rpc":{"data":"\xed\xa0\x80"}}',
        b"\x00\x00\x00{",
    ],
    ids=lambda frame: repr(frame[:60]),
)
def test_what_is_no_command_ends_the_connection(frame: str | bytes) -> None:
    with pytest.raises(BadFrame):
        decode(frame)


WRONG_BODIES = [
    ('{"id":7,"rpc":5}', "$.rpc"),
    ('{"id":7,"rpc":[]}', "$.rpc"),
    ('{"id":7,"rpc":"x"}', "$.rpc"),
    ('{"id":7,"send":5}', "$.send"),
    ('{"id":7,"rpc":{"method":5}}', "$.rpc.method"),
    ('{"id":7,"rpc":{"method":null}}', "$.rpc.method"),
    ('{"rpc":{"method":[]},"id":7}', "$.rpc.method"),
    ('{"id":7,"connect":{"token":{}}}', "$.connect.token"),
    ('{"id":7,"connect":{"headers":{"a":1}}}', "$.connect.headers"),
    ('{"id":7,"connect":{"subs":{"a":{"offset":-1}}}}', "$.connect.subs"),
    ('{"id":7,"subscribe":{}}', "`channel`"),
    ('{"id":7,"subscribe":{"channel":""}}', "1 to 255 bytes"),
    ('{"id":7,"subscribe":{"channel":"' + "é" * 128 + '"}}', "1 to 255 bytes"),
    ('{"id":7,"presence":{"channel":"' + "x" * 256 + '"}}', "1 to 255 bytes"),
    ('{"id":7,"subscribe":{"channel":"c","offset":-1}}', "$.subscribe.offset"),
    ('{"id":7,"subscribe":{"channel":"c","offset":9223372036854775808}}', "$.subscribe.offset"),
    ('{"id":7,"subscribe":{"channel":"c","offset":' + "9" * 5_000 + "}}", "$.subscribe.offset"),
    ('{"id":7,"subscribe":{"channel":"c","flag":-1}}', "$.subscribe.flag"),
    ('{"id":7,"subscribe":{"channel":"c","type":4294967296}}', "$.subscribe.type"),
    ('{"id":7,"subscribe":{"channel":"c","recover":1}}', "$.subscribe.recover"),
    ('{"id":7,"history":{"channel":"c","limit":-2}}', "$.history.limit"),
    ('{"id":7,"history":{"channel":"c","since":5}}', "$.history.since"),
    ('{"id":7,"rpc":{"method":' + HALF + "}}", "half a surrogate pair"),
    ('{"id":7,"rpc":{"method":"send","data":{"content":' + HALF + "}}}", "half a surrogate pair"),
    ('{"id":7,"subscribe":{"channel":' + HALF + "}}", "half a surrogate pair"),
    ('{"id":7,"rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + "}}", "too deep"),
    (' { "id" : 7 , "rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + "}}", "too deep"),
    ('{"rpc":{"data":' + '{"id":1,"a":' * 5_000 + "1" + "}" * 5_000 + '},"id":7}', "too deep"),
    ('{"rpc":{"data":' + "[" * 20_000 + "]" * 20_000 + '}, "id" : 7 } ', "too deep"),
]


@pytest.mark.parametrize(("frame", "told"), WRONG_BODIES, ids=lambda value: value[:60])
def test_a_body_that_is_wrong_is_refused_by_its_id(frame: str, told: str) -> None:
    answered, detail = refused(frame)
    assert answered == 7
    assert told in detail
    assert len(detail) <= 200
    assert refused(frame.encode()) == (7, detail)


def test_a_wrong_body_does_not_harm_its_neighbours() -> None:
    requests = decode('{"id":1,"ping":{}}\n{"id":2,"rpc":5}\n{"id":3,"ping":{}}')
    assert [(request.id, request.body.kind) for request in requests] == [
        (1, "ping"),
        (2, "invalid"),
        (3, "ping"),
    ]


def test_what_a_client_said_is_not_in_the_repr() -> None:
    request = only('{"id":1,"connect":{"token":"a secret token"}}')
    assert repr(request) == "Request(id=1, body=Connect(…))"


@given(frame=st.binary(max_size=200) | st.text(max_size=200))
def test_no_frame_raises_anything_but_bad_frame(frame: str | bytes) -> None:
    with contextlib.suppress(BadFrame):
        decode(frame)


JSON_TEXT = st.text(st.characters(exclude_categories=()), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "channel",
        "token",
        "data",
        "method",
        "offset",
        "epoch",
        "recover",
        "flag",
        "type",
        "subs",
        "since",
        "limit",
    ]
)
BODIES = st.dictionaries(FIELDS, JSON, max_size=4) | JSON.filter(lambda value: value is not None)


@given(id=st.integers(1, COMMAND_ID_MAX), kind=st.sampled_from(KINDS), body=BODIES)
def test_whatever_its_body_a_command_is_answered_by_its_id(id: int, kind: str, body: object) -> None:
    request = only(json.dumps({"id": id, kind: body}))
    assert request.id == id
    assert request.body.kind in (kind, "invalid")


@given(
    frame=st.sampled_from([frame for frame, _ in COMMANDS]),
    cut=st.integers(0, 200),
    junk=st.binary(max_size=4),
)
def test_no_damage_to_a_command_raises_anything_but_bad_frame(frame: str, cut: int, junk: bytes) -> None:
    raw = frame.encode()
    with contextlib.suppress(BadFrame):
        decode(raw[:cut] + junk + raw[cut + len(junk) :])
    with contextlib.suppress(BadFrame):
        decode(raw[:cut])


def test_a_result_is_there_even_when_it_is_empty() -> None:
    assert codec.reply(3, "unsubscribe", codec.encode_result(Result())) == b'{"id":3,"unsubscribe":{}}'
    assert codec.reply_rpc(3, b"{}") == b'{"id":3,"rpc":{"data":{}}}'


@pytest.mark.parametrize("problem", CATALOGUE, ids=lambda problem: problem.name)
def test_every_refusal_carries_its_number_and_name(problem: type[Problem]) -> None:
    answer = json.loads(codec.error(3, problem("why")))
    told: dict[str, object] = {"code": problem.number, "message": f"{problem.name}: why"}
    assert answer == {"id": 3, "error": told | ({"temporary": True} if problem.temporary else {})}


def test_a_refusal_fits_on_a_line_whatever_it_repeats() -> None:
    told = json.loads(codec.error(1, Unknown("\ud800\n" * 500)))["error"]["message"]
    assert len(told) == codec.ERROR_CHARS_MAX
    assert b"\n" not in codec.error(1, Unknown("a\nb"))


def test_only_what_may_succeed_later_is_temporary() -> None:
    assert b"temporary" not in codec.error(1, BadRequest())
    assert b'"temporary":true' in codec.error(1, TooManyRequests())


@given(channel=st.text(max_size=20), offset=st.none() | st.integers(1, 2**53 - 1), data=JSON)
def test_a_publication_comes_back_as_it_was(channel: str, offset: int | None, data: object) -> None:
    raw = json.dumps(data).encode()
    pushed = codec.push_publication(channel, raw, offset)
    assert b"\n" not in pushed
    publication = {"data": json.loads(raw)} | ({} if offset is None else {"offset": offset})
    assert json.loads(pushed) == {"push": {"channel": channel, "pub": publication}}


INFO = ClientInfo(user="alice", client="c1", conn_info=Raw(b'{"name":"Alice"}'))
INFO_JSON = {"user": "alice", "client": "c1", "conn_info": {"name": "Alice"}}


def test_a_publication_may_name_who_made_it() -> None:
    pushed = json.loads(codec.push_publication("c", b"{}", 7, INFO))
    assert pushed["push"]["pub"] == {"data": {}, "offset": 7, "info": INFO_JSON}


def test_joins_and_leaves_name_the_connection() -> None:
    assert json.loads(codec.push_join("c", INFO)) == {"push": {"channel": "c", "join": {"info": INFO_JSON}}}
    assert json.loads(codec.push_leave("c", INFO)) == {"push": {"channel": "c", "leave": {"info": INFO_JSON}}}


def test_the_end_of_a_subscription_or_connection_says_why() -> None:
    for why in UNSUBSCRIBES:
        told = json.loads(codec.push_unsubscribe("c", why))
        assert told == {"push": {"channel": "c", "unsubscribe": {"code": why.code, "reason": why.reason}}}
    for end in DISCONNECTS:
        told = json.loads(codec.push_disconnect(end))["push"]["disconnect"]
        assert told.get("reconnect", False) is end.reconnect
        assert (told["code"], told["reason"]) == (end.code, end.reason)
    assert b'"reconnect":true' in codec.push_disconnect(SLOW)


def test_a_ping_is_an_empty_object() -> None:
    assert json.loads(codec.PING) == {}


def test_what_is_joined_is_one_frame_of_lines() -> None:
    frame = codec.join([codec.PING, codec.reply(1, "ping", b"{}"), codec.push_publication("c\n", b'"\\n"')])
    assert [json.loads(line) for line in frame.split(b"\n")] == [
        {},
        {"id": 1, "ping": {}},
        {"push": {"channel": "c\n", "pub": {"data": "\n"}}},
    ]


PUBLICATIONS = [Publication(data=Raw(b'{"type":"message"}'), offset=8, info=INFO)]
PUBLICATIONS_JSON = [{"data": {"type": "message"}, "offset": 8, "info": INFO_JSON}]
RESULTS: list[tuple[Result, dict[str, Any]]] = [
    (Result(), {}),
    (SubscribeResult(), {}),
    (
        SubscribeResult(
            expires=True,
            ttl=60,
            recoverable=True,
            epoch="e",
            publications=PUBLICATIONS,
            recovered=True,
            offset=7,
            positioned=True,
            data=Raw(b'{"role":"owner"}'),
            was_recovering=True,
        ),
        {
            "expires": True,
            "ttl": 60,
            "recoverable": True,
            "epoch": "e",
            "publications": PUBLICATIONS_JSON,
            "recovered": True,
            "offset": 7,
            "positioned": True,
            "data": {"role": "owner"},
            "was_recovering": True,
        },
    ),
    (ConnectResult(client="c", version="1"), {"client": "c", "version": "1"}),
    (
        ConnectResult(
            client="c",
            version="1",
            expires=True,
            ttl=60,
            data=Raw(b"[]"),
            subs={"user:alice": SubscribeResult()},
            ping=25,
            pong=True,
            session="s",
            node="n",
            time=1,
        ),
        {
            "client": "c",
            "version": "1",
            "expires": True,
            "ttl": 60,
            "data": [],
            "subs": {"user:alice": {}},
            "ping": 25,
            "pong": True,
            "session": "s",
            "node": "n",
            "time": 1,
        },
    ),
    (PresenceResult(presence={"c1": INFO}), {"presence": {"c1": INFO_JSON}}),
    (PresenceStatsResult(num_clients=2, num_users=1), {"num_clients": 2, "num_users": 1}),
    (
        HistoryResult(publications=PUBLICATIONS, epoch="e", offset=8),
        {"publications": PUBLICATIONS_JSON, "epoch": "e", "offset": 8},
    ),
    (
        RefreshResult(client="c", version="1", expires=True, ttl=60),
        {"client": "c", "version": "1", "expires": True, "ttl": 60},
    ),
    (SubRefreshResult(expires=True, ttl=60), {"expires": True, "ttl": 60}),
]


@pytest.mark.parametrize(("result", "written"), RESULTS, ids=lambda value: type(value).__name__)
def test_results_have_the_wires_names_and_no_zero_values(result: Result, written: dict[str, Any]) -> None:
    assert json.loads(codec.encode_result(result)) == written
