"""Each cure of uvicorn's WebSocket, and, where it is cheap, the control: bare uvicorn lacks it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.sync.client import connect

from chat.endpoints.connection import CONNECTION_EXTENSION, Connection
from tests.ops.serving.running import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LOOPBACK,
    PING,
    PONG,
    TEXT,
    Handler,
    Receive,
    Running,
    Scope,
    Send,
    Wire,
    application,
    bare,
    frame,
    serving,
    until,
)

SECRET = "a-token-that-no-log-may-show"
MIB = 1024 * 1024


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and send every text back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


class Endpoint:
    """A WebSocket whose test holds its connection; its coroutine notes what comes until the end."""

    def __init__(self, then: Callable[[Connection], None] = lambda connection: None) -> None:
        self.app = application(self.handle)
        self.connection: Connection | None = None
        self.events: list[str] = []
        self.resumes = 0
        self._then = then

    @property
    def opened(self) -> Connection:
        assert self.connection is not None
        return self.connection

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["extensions"][CONNECTION_EXTENSION]
        connection.on_resume(self._resume)
        await receive()
        connection.write_text(b"before the handshake")
        await send({"type": "websocket.accept"})
        self.connection = connection
        self._then(connection)
        while not self.events or self.events[-1] != "websocket.disconnect":
            self.events.append((await receive())["type"])
        connection.write_text(b"after the end")

    def _resume(self) -> None:
        self.resumes += 1
        self.opened.write_text(b"go on")


def fill(connection: Connection) -> None:
    while not connection.paused:
        connection.write_text(b"x" * 4000)


# The handshake


@pytest.mark.parametrize("value", ["", " ", " , "])
def test_an_empty_subprotocol_header_is_dropped(value: str) -> None:
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        assert wire.upgrade("/", f"Sec-WebSocket-Protocol:{value}").startswith(b"HTTP/1.1 101 ")
        wire.send(frame(TEXT, b"hello"))
        assert wire.frame() == (TEXT, b"hello")


def test_bare_uvicorn_refuses_an_empty_subprotocol_header() -> None:
    with bare(application(echo)) as theirs, Wire(theirs.port) as wire:
        assert wire.upgrade("/", "Sec-WebSocket-Protocol:").startswith(b"HTTP/1.1 400 ")


def test_a_subprotocol_that_is_named_reaches_the_application() -> None:
    seen: list[str] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["subprotocols"])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})

    with serving(application(handler)) as ours, Wire(ours.port) as wire:
        head = wire.upgrade("/", "Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: centrifuge-json")
    assert seen == ["centrifuge-json"]
    assert b"Sec-WebSocket-Protocol: centrifuge-json\r\n" in head


def test_a_handshake_that_cannot_be_read_is_answered() -> None:
    with serving(application(echo)) as ours:
        with Wire(ours.port) as wire:
            assert wire.upgrade("/", "Cookie: " + "c" * 9000).startswith(b"HTTP/1.1 431 ")
            wire.rest()
        with Wire(ours.port) as wire:
            assert wire.upgrade("/", "Transfer-Encoding: gzip").startswith(b"HTTP/1.1 400 ")
            wire.rest()


def test_bare_uvicorn_leaves_a_handshake_that_cannot_be_read_without_an_answer() -> None:
    with bare(application(echo)) as theirs, Wire(theirs.port) as wire:
        wire.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            wire.upgrade("/", "Cookie: " + "c" * 9000)


def test_nothing_is_compressed_unless_the_option_says_so() -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        assert b"permessage-deflate" not in wire.upgrade("/", offer)
    with serving(application(echo), compress=True) as ours, Wire(ours.port) as wire:
        assert b"permessage-deflate" in wire.upgrade("/", offer)


def test_texts_are_compressed_where_that_was_agreed() -> None:
    text = "the same again and again " * 1000
    endpoint = Endpoint(lambda connection: connection.write_text(text.encode()))
    with serving(endpoint.app, compress=True) as ours, connect(f"ws://{LOOPBACK}:{ours.port}/") as client:
        assert client.recv() == text
        assert client.protocol.extensions


# What a peer may send


def test_a_message_in_as_many_fragments_as_allowed_is_taken() -> None:
    with serving(application(echo), fragments_max=64) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"a", final=False))
        wire.send(frame(CONTINUATION, b"a", final=False) * 62 + frame(CONTINUATION, b"a"))
        assert wire.frame() == (TEXT, b"a" * 64)


def test_one_fragment_more_ends_the_connection() -> None:
    endpoint = Endpoint()
    with serving(endpoint.app, fragments_max=64) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"", final=False) + frame(CONTINUATION, b"", final=False) * 100_000)
        assert wire.close_code() == 1008
        until(lambda: endpoint.events, "the endpoint's end")
    assert endpoint.events == ["websocket.disconnect"]


def test_bare_uvicorn_takes_any_number_of_fragments() -> None:
    with bare(application(echo)) as theirs, Wire(theirs.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"", final=False) + frame(CONTINUATION, b"", final=False) * 20_000)
        wire.send(frame(CONTINUATION, b"done"))
        assert wire.frame() == (TEXT, b"done")


def test_the_application_answers_what_is_over_its_limit_and_the_server_what_is_over_the_margin() -> None:
    limits = {"message_bytes_max": 1000, "message_margin_bytes": 1000}
    with serving(application(echo), **limits) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"m" * 2000))
        assert wire.frame() == (TEXT, b"m" * 2000)
        wire.send(frame(TEXT, b"m" * 2001))
        assert wire.close_code() == 1009


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\x81\x01a", id="no mask"),
        pytest.param(frame(TEXT | 0x40, b"a"), id="a reserved bit"),
        pytest.param(frame(3, b"a"), id="an opcode of nothing"),
        pytest.param(frame(CONTINUATION, b"a"), id="a fragment out of turn"),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection_with_1002(broken: bytes) -> None:
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(broken)
        assert wire.close_code() == 1002


def test_a_text_that_is_no_utf_8_ends_the_connection_with_1007(caplog: pytest.LogCaptureFixture) -> None:
    with serving(application(echo)) as ours:
        with Wire(ours.port) as wire:
            wire.upgrade()
            wire.send(frame(TEXT, b"\xff"))
            assert wire.close_code() == 1007
        with Wire(ours.port) as wire:
            wire.upgrade()
            wire.send(frame(TEXT, b"\xff") + frame(CLOSE, (1000).to_bytes(2, "big")))
            wire.rest()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_sending_after_the_server_has_ended_the_connection_raises_an_os_error() -> None:
    raised: list[type] = []

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            raised.append(type(error))

    with serving(application(late)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"\xff"))
        assert wire.close_code() == 1007
        until(lambda: raised, "the error")


def test_a_message_larger_than_a_slice_comes_whole_and_in_order() -> None:
    texts = [str(number).encode() * 5000 for number in range(1, 6)]
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(b"".join(frame(TEXT, text) for text in texts))
        assert [wire.frame() for _ in texts] == [(TEXT, text) for text in texts]


def test_a_binary_message_comes_as_bytes() -> None:
    received: list[object] = []

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        received.append((await receive()).get("bytes"))

    with serving(application(listen)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(BINARY, b"\x00\xff"))
        until(lambda: received, "the message")
    assert received == [b"\x00\xff"]


def test_who_listens_takes_texts_at_once_and_receives_the_others_in_order() -> None:
    taken: list[str] = []
    received: list[str] = []
    busy = asyncio.Event()

    def offer(text: str) -> bool:
        if text.startswith("wait"):
            return False
        taken.append(text)
        return True

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["extensions"][CONNECTION_EXTENSION]
        connection.listen(offer)
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            received.append(event["text"])
            await busy.wait()

    with serving(application(listen)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"1") + frame(TEXT, b"2", final=False) + frame(CONTINUATION, b"3"))
        until(lambda: len(taken) == 2, "two texts")
        wire.send(frame(TEXT, b"wait") + frame(TEXT, b"behind it"))
        until(lambda: received, "the text that was not taken")
        wire.send(frame(TEXT, b"while it is dealt with") + frame(PING))
        assert wire.frame() == (PONG, b"")
        ours.in_loop(busy.set)
        until(lambda: len(received) == 3, "those behind it")
        wire.send(frame(TEXT, b"4"))
        until(lambda: len(taken) == 3, "the last")
    assert taken == ["1", "23", "4"]
    assert received == ["wait", "behind it", "while it is dealt with"]


def test_a_text_that_is_no_utf_8_is_not_offered() -> None:
    offered: list[str] = []

    def offer(text: str) -> bool:
        offered.append(text)
        return True

    endpoint = Endpoint(lambda connection: connection.listen(offer))
    with serving(endpoint.app) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(TEXT, b"\xff") + frame(TEXT, b"late"))
        assert wire.close_code() == 1007
    assert offered == []


def test_a_ping_is_answered() -> None:
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(PING, b"are you there"))
        assert wire.frame() == (PONG, b"are you there")


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_too_many_pings_or_pongs_end_the_connection(opcode: int) -> None:
    with serving(application(echo), control_frames_per_s_max=20) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(opcode) * 100)
        assert wire.close_code() == 1008


def test_pongs_do_not_gather_for_a_peer_that_does_not_read() -> None:
    endpoint = Endpoint(fill)
    with serving(endpoint.app, control_frames_per_s_max=10**9) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        until(lambda: endpoint.connection, "the endpoint")
        before_bytes = ours.in_loop(endpoint.opened.write_buffer_bytes)
        wire.send(frame(PING, b"p" * 125) * 20_000 + frame(TEXT, b"the last"))
        until(lambda: endpoint.events, "the text behind the pings")
        assert ours.in_loop(endpoint.opened.write_buffer_bytes) < before_bytes + 100_000


def most_messages_waiting(serve: Callable[[Handler], AbstractContextManager[Running]]) -> int:
    """Send 20,000 one-byte messages at once to an application that receives none of them."""

    counted = asyncio.Event()

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await counted.wait()

    with serve(application(deaf)) as running, Wire(running.port) as wire:
        wire.upgrade()
        # Sent in the server's own thread, so that it finds all of it when it reads.
        running.in_loop(lambda: wire.send(frame(TEXT, b"m") * 20_000))
        (connection,) = running.server.server_state.connections
        assert isinstance(connection, WebSocketsSansIOProtocol)
        until(lambda: connection.read_paused, "the server to stop reading")
        waiting = connection.queue.qsize()
        running.in_loop(counted.set)
        return waiting


def test_an_application_that_does_not_receive_has_few_messages_waiting() -> None:
    assert most_messages_waiting(serving) < 1000


def test_bare_uvicorn_queues_all_that_one_read_brings() -> None:
    assert most_messages_waiting(bare) > 5000


# What the application may do


@pytest.mark.parametrize(
    ("size_bytes", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_text_is_one_frame_with_its_length(size_bytes: int, head: bytes) -> None:
    endpoint = Endpoint(lambda connection: connection.write_text(b"t" * size_bytes))
    with serving(endpoint.app) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        assert wire.take(len(head) + size_bytes) == head + b"t" * size_bytes


def test_nothing_is_written_before_the_handshake_or_after_the_end() -> None:
    endpoint = Endpoint()
    with serving(endpoint.app) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        wire.send(frame(CLOSE, (1000).to_bytes(2, "big")))
        assert wire.frame() == (CLOSE, (1000).to_bytes(2, "big"))
        assert wire.rest() == b""


def test_writing_to_a_lost_connection_does_nothing() -> None:
    endpoint = Endpoint()
    with serving(endpoint.app) as ours:
        with Wire(ours.port) as wire:
            wire.upgrade()
            until(lambda: endpoint.connection, "the endpoint")
        until(lambda: "websocket.disconnect" in endpoint.events, "the end of the connection")
        ours.in_loop(lambda: endpoint.opened.write_text(b"to nobody"))
        ours.in_loop(endpoint.opened.abort)
        assert ours.in_loop(endpoint.opened.write_buffer_bytes) == 0


def test_a_peer_that_catches_up_is_written_to_again() -> None:
    endpoint = Endpoint(fill)
    with serving(endpoint.app) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        until(lambda: endpoint.connection, "the endpoint")
        assert endpoint.opened.paused
        while (text := wire.frame()[1]) != b"go on":
            assert text == b"x" * 4000
        assert not endpoint.opened.paused


def test_who_waits_for_a_resume_is_told_that_the_connection_is_lost() -> None:
    endpoint = Endpoint(fill)
    with serving(endpoint.app) as ours:
        with Wire(ours.port) as wire:
            wire.upgrade()
            until(lambda: endpoint.connection, "the endpoint")
        until(lambda: endpoint.resumes, "the callback")
        assert not endpoint.opened.paused


def test_an_abort_ends_a_connection_whose_peer_does_not_read() -> None:
    endpoint = Endpoint(fill)
    with serving(endpoint.app) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        until(lambda: endpoint.connection, "the endpoint")
        ours.in_loop(endpoint.opened.abort)
        until(lambda: "websocket.disconnect" in endpoint.events, "the end", 1.0)
        until(lambda: not ours.server.server_state.connections, "the connection's end", 1.0)


def test_a_close_that_the_peer_does_not_read_ends_in_a_cut() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        connection = scope["extensions"][CONNECTION_EXTENSION]
        while connection.write_buffer_bytes() < 10_000:
            connection.write_text(b"x" * 1000)
        await send({"type": "websocket.close", "code": 3008})

    with serving(application(handler), close_timeout_s=0.2) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        until(lambda: not ours.server.server_state.connections, "the cut", 2.0)


async def close_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 3000})


def test_what_a_peer_sends_after_our_close_is_dropped_until_it_closes_too() -> None:
    with serving(application(close_at_once)) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        assert wire.close_code() == 3000
        wire.send(frame(TEXT, b"half", final=False) + frame(CONTINUATION, b"whole") + frame(TEXT, b"more"))
        assert wire.is_silent_for(0.1)
        wire.send(frame(CLOSE, (3000).to_bytes(2, "big")))
        assert wire.rest() == b""


def test_pings_after_our_close_are_cut_off_at_the_limit_too() -> None:
    with serving(application(close_at_once), control_frames_per_s_max=20) as ours, Wire(ours.port) as wire:
        wire.upgrade()
        assert wire.close_code() == 3000
        wire.send(frame(PING) * 100)
        until(lambda: not ours.server.server_state.connections, "the cut", 2.0)


def taken_before_it_pauses(send_buffer_bytes: int) -> int:
    sent: list[int] = []
    endpoint = Endpoint(lambda connection: sent.append(count(connection)))

    def count(connection: Connection) -> int:
        written = 0
        while not connection.paused:
            connection.write_text(b"x" * 4000)
            written += 4000
        return written - connection.write_buffer_bytes()

    with serving(endpoint.app, send_buffer_bytes=send_buffer_bytes) as ours, Wire(ours.port, 8192) as wire:
        wire.upgrade()
        until(lambda: sent, "a pause")
    return sent[0]


def test_the_kernel_takes_little_for_a_peer_that_does_not_read() -> None:
    assert taken_before_it_pauses(64 * 1024) < MIB // 2


def test_without_the_option_the_kernel_takes_megabytes() -> None:
    assert taken_before_it_pauses(0) > MIB


# The logs


def test_no_log_shows_a_url_or_a_frame(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(application(echo)) as ours, Wire(ours.port) as wire:
        wire.upgrade(f"/?token={SECRET}", f"Cookie: {SECRET}")
        wire.send(frame(TEXT, SECRET.encode()))
        assert wire.frame() == (TEXT, SECRET.encode())
    assert SECRET not in caplog.text


def test_bare_uvicorn_logs_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with bare(application(echo)) as theirs, Wire(theirs.port) as wire:
        wire.upgrade(f"/?token={SECRET}")
    assert SECRET in caplog.text
