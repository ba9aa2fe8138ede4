"""A client that subscribes and then reads nothing is cut off, and nobody else notices."""

from __future__ import annotations

from tests.support.client import SocketClient
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.waiting import until_awaited

CONTENT = "x" * 40_000
MESSAGES = 120
"""More than the kernel's buffers and the outbox hold together."""
CUT_OFF_S = 30.0


async def test_a_client_that_reads_nothing_is_cut_off_and_the_others_miss_nothing(server: Server) -> None:
    async with RestClient(server.url, server.token("alice")) as alice:
        conversation = await alice.create_conversation("slow", "bob", "carol")
        readers = [SocketClient(server.ws_url, server.token(name)) for name in ("bob", "slow", "carol")]
        for reader in readers:
            await reader.connect()
            await reader.subscribe(conversation)
        bob, slow, carol = readers
        slow.stop_reading()
        for number in range(MESSAGES):
            await alice.send(conversation, CONTENT, key=f"k{number}")
        await until_awaited(lambda: slow_is_gone(alice, conversation), "it to be cut off", CUT_OFF_S)
        await bob.feed(conversation).wait(MESSAGES)
        await carol.feed(conversation).wait(MESSAGES)
        for reader in (bob, carol):
            assert reader.feed(conversation).offsets == list(range(1, MESSAGES + 1))
            assert reader.feed(conversation).others == []
            await reader.close()
        await slow.abort()
    assert "Traceback" not in server.tail(size_bytes=1_000_000)


async def slow_is_gone(alice: RestClient, conversation: str) -> bool:
    """Tell whether the server has forgotten the slow reader."""
    answer = await alice.http.get(f"/v1/conversations/{conversation}/presence")
    return answer.is_success and "slow" not in answer.text
