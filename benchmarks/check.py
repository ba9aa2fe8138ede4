"""The proof behind every figure: each socket got each message once and in order, and each ack was true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from benchmarks import frames
from benchmarks.connection import CONTENT, Connection
from benchmarks.crowd import Crowd
from benchmarks.dialects.dialect import Ack, Delivery, Dialect, Refusal, Reply
from benchmarks.job import BenchmarkFailed

Said = list[tuple[int, str]]


class Heard(msgspec.Struct):
    """What one socket received: (seq, key) of each message; seq and time of each ack, by its number."""

    messages: Said
    acks: dict[int, tuple[int, float]]


def verify(crowd: Crowd) -> list[float]:
    """Decode all that was received; return the latencies of acks in seconds. Raises BenchmarkFailed."""
    crowd.tally.raise_failure()
    rooms: dict[str, list[tuple[Connection, Heard]]] = defaultdict(list)
    for connection in crowd.connections:
        rooms[connection.seat.channel].append((connection, _hear(connection, crowd.dialect)))
    latencies_s: list[float] = []
    for room in rooms.values():
        _verify_room(room)
        latencies_s.extend(latency_s for seat in room for latency_s in _latencies(*seat))
    return latencies_s


def first_refusal(crowd: Crowd) -> str:
    """Return the first error that a server answered with, or nothing."""
    for connection in crowd.connections:
        for reply, _ in _replies(connection, crowd.dialect):
            if isinstance(reply, Refusal):
                return reply.text
    return ""


def _verify_room(room: list[tuple[Connection, Heard]]) -> None:
    keys = {key for connection, _ in room for key in connection.keys}
    witness, expected = room[0][0], room[0][1].messages
    base_seq = witness.base_seq
    dense = list(range(base_seq + 1, base_seq + 1 + len(keys)))
    _demand([seq for seq, _ in expected] == dense, witness, "seqs are not dense")
    _demand({key for _, key in expected} == keys, witness, "the messages are not those that were sent")
    for connection, heard in room:
        _demand(connection.base_seq == base_seq, connection, "it began at another seq than its neighbours")
        _demand(heard.messages == expected, connection, "it saw another conversation than its neighbours")
        _demand(len(heard.acks) == len(connection.keys), connection, "an ack is missing")
        _demand(_acks_are_true(connection, heard), connection, "an ack names another message's seq")


def _acks_are_true(connection: Connection, heard: Heard) -> bool:
    stored = dict(heard.messages)
    return all(stored.get(seq) == connection.keys[number - 1] for number, (seq, _) in heard.acks.items())


def _hear(connection: Connection, dialect: Dialect) -> Heard:
    heard = Heard([], {})
    for reply, arrived_s in _replies(connection, dialect):
        match reply:
            case Delivery():
                _demand(reply.channel == connection.seat.channel, connection, "a stranger's message", reply)
                _demand(reply.content == CONTENT, connection, "another content than was sent", reply)
                heard.messages.append((reply.seq, reply.key))
            case Ack():
                _demand(reply.number not in heard.acks, connection, "a second ack", reply)
                _demand(1 <= reply.number <= len(connection.keys), connection, "an ack of nothing", reply)
                heard.acks[reply.number] = reply.seq, arrived_s
            case Refusal():
                _demand(False, connection, "it was refused", reply)
    return heard


def _replies(connection: Connection, dialect: Dialect) -> Iterator[tuple[Reply, float]]:
    for data, arrived_s in zip(connection.received, connection.received_s, strict=True):
        for first, payload in frames.split(data):
            if first == frames.TEXT:
                for reply in dialect.replies(payload):
                    yield reply, arrived_s


def _latencies(connection: Connection, heard: Heard) -> Iterator[float]:
    for number in range(connection.measured_from + 1, len(connection.keys) + 1):
        yield heard.acks[number][1] - connection.due_s[number - 1]


def _demand(truth: bool, connection: Connection, complaint: str, seen: Reply | None = None) -> None:
    if not truth:
        what = complaint if seen is None else f"{complaint}: {seen}"
        raise BenchmarkFailed(f"{connection.seat.user} in {connection.seat.channel}: {what}")
