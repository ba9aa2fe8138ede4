"""A new machine while the lease of the lost one still stands: it serves at once, promises no more than it can, and
copies as soon as the lease has run out.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from chat.replication import COMMITTED, REFUSED, REPLICATED, REPLICATING
from ops.leasing.lease import TTL_S, Written
from ops.leasing.lease_object import NAME
from tests.support.replicated import Replicated
from tests.support.rest import RestClient
from tests.support.server import palaver

LATE_S = 5.0


async def test_a_new_machine_serves_before_the_lease_of_the_lost_one_runs_out(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    conversation = await lost_machine(tmp_path / "lost", place)
    began_s = time.monotonic()
    restore = palaver("serve", "--restore-if-missing")
    async with Replicated.start(tmp_path / "new", command=restore, replica=place) as machine:
        print(f"it served after {time.monotonic() - began_s:.1f} s")
        began_s = time.monotonic()
        async with RestClient(machine.server.url, machine.server.token("alice")) as alice:
            assert [row["content"] for row in await alice.messages(conversation)] == ["on the replica"]
            refused = await machine.until_state(REFUSED)
            assert "on elsewhere" in refused.reason
            early = await alice.send(conversation, "early", "early", durability=REPLICATED)
            assert early["durability"] == COMMITTED
            async with machine.talking():
                await machine.until_state(REPLICATING)
            print(f"it replicated {time.monotonic() - began_s:.1f} s later")
            assert time.monotonic() - began_s < TTL_S + LATE_S
            again = await alice.send(conversation, "early", "early", durability=REPLICATED)
            assert (again["duplicate"], again["durability"]) == (True, REPLICATED)


async def lost_machine(data: Path, place: Path) -> str:
    """Leave the copies of a server that was killed, and a lease as another machine's would stand there."""
    async with Replicated.start(data, replica=place) as machine:
        await machine.until_state(REPLICATING)
        async with RestClient(machine.server.url, machine.server.token("alice")) as alice:
            conversation = await alice.create_conversation()
            sent = await alice.send(conversation, "on the replica", durability=REPLICATED)
            assert sent["durability"] == REPLICATED
        await machine.server.kill()
    stands = place / NAME
    written = msgspec.json.decode(stands.read_bytes(), type=Written)
    far = msgspec.structs.replace(written.holder, host="elsewhere", machine="another boot")
    stands.write_bytes(msgspec.json.encode(msgspec.structs.replace(written, holder=far)))
    return conversation
