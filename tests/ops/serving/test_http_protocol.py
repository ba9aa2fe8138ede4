"""Each limit of an HTTP connection, and, where it is cheap, the control: bare uvicorn lacks it."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.ops.serving.running import (
    TIMEOUT_S,
    Limits,
    Receive,
    Running,
    Scope,
    Send,
    Wire,
    answer,
    application,
    bare,
    request,
    serving,
    until,
)

SHORT_S = 0.2
LONG_S = 0.7  # long enough to tell a deadline of SHORT_S from none


async def read_body(receive: Receive) -> bytes:
    body = b""
    while (event := await receive())["type"] == "http.request":
        body += event["body"]
        if not event["more_body"]:
            break
    return body


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes in the body."""
    await answer(send, str(len(await read_body(receive))).encode())


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer until the peer is gone."""
    await read_body(receive)
    gone = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)


def drip(wire: Wire, pieces: list[bytes], pause_s: float) -> bool:
    """Send piece after piece; tells whether the server has let it all pass."""
    for piece in pieces:
        if not wire.is_silent_for(pause_s):
            return False
        wire.send(piece)
    return True


# Silence


def test_a_silent_connection_is_closed() -> None:
    with serving(application(measure), idle_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        assert wire.rest() == b""


def test_bare_uvicorn_keeps_a_silent_connection() -> None:
    with bare(application(measure)) as theirs, Wire(theirs.port) as wire:
        assert wire.is_silent_for(LONG_S)


def test_a_connection_is_closed_when_no_further_request_comes() -> None:
    with serving(application(measure), idle_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        assert wire.get() == 200
        assert wire.rest() == b""


def test_empty_lines_do_not_keep_a_connection() -> None:
    with serving(application(measure), idle_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        assert wire.get() == 200
        assert not drip(wire, [b"\r\n"] * 20, SHORT_S / 3)


def test_requests_keep_a_connection() -> None:
    with serving(application(measure), idle_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + 3 * SHORT_S:
            assert wire.get() == 200
            assert wire.is_silent_for(SHORT_S / 3)


# Heads


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_slow_head_is_answered_408(beginning: bytes) -> None:
    with serving(application(measure), header_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        wire.send(beginning)
        assert not drip(wire, [b"x"] * 20, SHORT_S / 3)
        assert wire.rest().startswith(b"HTTP/1.1 408 ")


def test_many_slow_heads_are_all_gone_in_time() -> None:
    with serving(application(measure), header_timeout_s=SHORT_S, refusal_linger_s=SHORT_S) as ours:
        wires = [Wire(ours.port) for _ in range(50)]
        for wire in wires:
            wire.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        until(lambda: len(ours.server.server_state.connections) == len(wires), "the connections")
        until(lambda: not ours.server.server_state.connections, "their end", 3 * LONG_S)
        for wire in wires:
            wire.socket.close()


def test_bare_uvicorn_waits_for_a_slow_head() -> None:
    with bare(application(measure)) as theirs, Wire(theirs.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert wire.is_silent_for(LONG_S)


def test_a_slow_head_behind_a_request_in_work_is_cut_without_an_answer_in_the_wrong_place() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await receive()

    with serving(application(never), header_timeout_s=SHORT_S) as ours, Wire(ours.port) as wire:
        wire.send(request() + b"GET / HT")
        assert wire.rest() == b""


def test_a_head_over_the_limit_is_answered_431() -> None:
    large = request("/", "X-Large: " + "x" * 3000)
    with serving(application(measure), header_bytes_max=2000) as ours:
        with Wire(ours.port) as wire:
            wire.send(large)
            assert wire.status() == 431
            assert wire.rest() == b""
        with Wire(ours.port) as wire:
            wire.send(large[:2500])
            assert wire.status() == 431
            wire.send(large[2500:])
            assert wire.rest() == b""
        with Wire(ours.port) as wire:
            assert not drip(wire, [large[start : start + 100] for start in range(0, len(large), 100)], 0.005)
            assert wire.status() == 431


def test_bare_uvicorn_takes_a_head_of_a_megabyte() -> None:
    with bare(application(measure)) as theirs, Wire(theirs.port) as wire:
        assert wire.get("/", "X-Large: " + "x" * 1_000_000) == 200


def test_too_many_headers_are_answered_431() -> None:
    with serving(application(measure), headers_max=20) as ours:
        with Wire(ours.port) as wire:
            assert wire.get("/", *["X-Many: x"] * 21) == 431
        with Wire(ours.port) as wire:
            assert wire.get("/", *["X-Many: x"] * 19) == 200


def test_a_large_body_is_not_taken_for_a_large_head() -> None:
    body = b"b" * 100_000
    with serving(application(measure), header_bytes_max=2000) as ours, Wire(ours.port) as wire:
        upload = request("/", f"Content-Length: {len(body)}", method="POST") + body
        wire.send(upload + upload + b"GET / HTTP/1.1\r\nHo")
        assert wire.status() == wire.status() == 200
        wire.send(b"st: localhost\r\n\r\n")
        assert wire.status() == 200


def test_what_is_no_http_is_answered_400() -> None:
    with serving(application(measure)) as ours, Wire(ours.port) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert wire.status() == 400
        assert wire.rest() == b""


# Bodies


def test_a_body_that_stops_coming_is_answered_408() -> None:
    told: list[bytes] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        told.append(await read_body(receive))

    with serving(application(handler), body_silence_s=SHORT_S) as ours, Wire(ours.port) as wire:
        wire.send(request("/", "Content-Length: 100", method="POST") + b"begun")
        assert wire.status() == 408
        until(lambda: told, "the application to hear of it")
    assert told == [b"begun"]


def test_a_body_that_drips_is_answered_408() -> None:
    limits: Limits = {"body_silence_s": SHORT_S, "body_bytes_per_s_min": 1000}
    with serving(application(measure), **limits) as ours, Wire(ours.port) as wire:
        wire.send(request("/", "Content-Length: 100", method="POST"))
        assert not drip(wire, [b"b"] * 50, SHORT_S / 10)
        assert wire.status() == 408


def test_bare_uvicorn_waits_for_a_body() -> None:
    with bare(application(measure)) as theirs, Wire(theirs.port) as wire:
        wire.send(request("/", "Content-Length: 100", method="POST"))
        assert wire.is_silent_for(LONG_S)


def test_a_body_that_is_not_wanted_may_not_drip_either() -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    with serving(application(refuse), body_silence_s=SHORT_S) as ours, Wire(ours.port) as wire:
        wire.send(request("/", "Content-Length: 100", method="POST"))
        assert wire.status() == 200
        assert wire.rest() == b""


def test_a_peer_is_not_blamed_while_the_application_does_not_read() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(LONG_S)
        await measure(scope, receive, send)

    body = b"b" * 1_000_000
    limits: Limits = {"body_silence_s": SHORT_S, "header_timeout_s": SHORT_S}
    with serving(application(late), **limits) as ours, Wire(ours.port) as wire:
        wire.send(request("/", f"Content-Length: {len(body)}", method="POST") + body)
        assert wire.status() == 200


# Answers


def test_an_application_may_take_longer_than_any_deadline_of_the_peer() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(LONG_S)
        await answer(send)

    limits: Limits = dict.fromkeys(("idle_timeout_s", "header_timeout_s", "body_silence_s"), SHORT_S)
    with serving(application(slow), **limits) as ours, Wire(ours.port) as wire:
        assert wire.get() == 200


def test_an_answer_that_is_not_read_ends_in_a_cut() -> None:
    with serving(application(endless), response_stall_s=SHORT_S) as ours, Wire(ours.port, 8192) as wire:
        wire.send(request())
        until(lambda: ours.server.server_state.tasks, "the request")
        until(lambda: not ours.server.server_state.tasks, "the end of the request")
        until(lambda: not ours.server.server_state.connections, "the cut")


def test_bare_uvicorn_waits_for_a_peer_that_does_not_read() -> None:
    with bare(application(endless)) as theirs, Wire(theirs.port, 8192) as wire:
        wire.send(request())
        until(lambda: theirs.server.server_state.tasks, "the request")
        with pytest.raises(TimeoutError):
            until(lambda: not theirs.server.server_state.tasks, "the end of the request", LONG_S)


def test_a_peer_that_reads_late_gets_the_whole_answer() -> None:
    body = b"b" * 8_000_000

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, body)

    with serving(application(large), response_stall_s=TIMEOUT_S) as ours, Wire(ours.port, 8192) as wire:
        wire.send(request() + request())
        assert wire.is_silent_for(SHORT_S) is False  # the first bytes are here, and are left where they are
        assert wire.status() == wire.status() == 200


def test_the_last_answer_that_is_not_read_ends_in_a_cut() -> None:
    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"b" * 8_000_000)

    with serving(application(large), close_timeout_s=SHORT_S) as ours, Wire(ours.port, 8192) as wire:
        wire.send(request("/", "Connection: close"))
        until(lambda: ours.server.server_state.total_requests, "the answer")
        until(lambda: not ours.server.server_state.connections, "the cut")


def test_pipelined_requests_are_answered_in_order_up_to_the_limit() -> None:
    with serving(application(measure), pipelined_requests_max=4) as ours:
        with Wire(ours.port) as wire:
            wire.send(request() * 5)
            assert [wire.status() for _ in range(5)] == [200] * 5
        with Wire(ours.port) as wire:
            wire.send(request() * 6)
            assert wire.rest().count(b"HTTP/1.1 200 ") < 6


def test_bare_uvicorn_queues_every_pipelined_request() -> None:
    with bare(application(measure)) as theirs, Wire(theirs.port) as wire:
        wire.send(request() * 300)
        assert [wire.status() for _ in range(300)] == [200] * 300


# Proxies


def client_seen(running: Running) -> bytes:
    with Wire(running.port) as wire:
        wire.send(request("/", "X-Forwarded-For: 203.0.113.7", "Connection: close"))
        return wire.rest().rpartition(b"\r\n\r\n")[2]


async def tell_client(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, scope["client"][0].encode())


def test_a_forwarded_address_is_believed_from_trusted_proxies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with serving(application(tell_client)) as ours:
        assert client_seen(ours) == b"127.0.0.1"
    with serving(application(tell_client), trusted_proxies=("127.0.0.0/8",)) as ours:
        assert client_seen(ours) == b"203.0.113.7"


def test_bare_uvicorn_believes_every_loopback_peer() -> None:
    with bare(application(tell_client)) as theirs:
        assert client_seen(theirs) == b"203.0.113.7"


# Descriptors


def test_connections_beyond_the_reserve_are_answered_503() -> None:
    with serving(application(measure), descriptors_max=0) as ours, Wire(ours.port) as wire:
        assert wire.status() == 503
        assert wire.rest() == b""
