"""After a restore in place the replica goes on: it can be restored again, to what is new and to what was abandoned."""

from __future__ import annotations

from ops.restoring.beside import temporary_copy
from ops.restoring.inplace import restore_in_place
from ops.restoring.place import Place
from tests.ops.restoring.replicated import Replicated, query
from tests.support.stores import OpenStore

KEYS = "SELECT client_message_id FROM messages ORDER BY rowid"
KINDS = "SELECT kind FROM generations ORDER BY number"


def contents(place: Place, at_ms: int | None) -> list[object]:
    """Return the keys of the messages that a restore to a moment brings back."""
    with temporary_copy(place, "main.db", at_ms) as copy:
        return [key for (key,) in query(copy.path, KEYS)]


def restored(place: Place, at_ms: int | None) -> list[object]:
    """Restore main.db in place and return the keys of its messages."""
    restore_in_place(place, ["main.db"], at_ms, lambda _: True, cause="a test")
    return [key for (key,) in query(place.data / "main.db", KEYS)]


async def written(place: Place, conversation: str, key: str) -> tuple[str, int]:
    """Open the store and the daemon, send a message, and return the conversation and a moment after it was copied."""
    async with OpenStore(place.data / "main.db") as store:
        with Replicated(place) as replicated:
            named = conversation or await store.create("alice", "bob")
            await store.send("alice", named, key)
            at_ms = replicated.sync()
            await store.send("alice", named, f"{key}, later")
            replicated.sync()
    return named, at_ms


async def test_a_restored_file_is_copied_on_and_every_moment_of_every_past_can_be_restored(
    place: Place,
) -> None:
    conversation, first_ms = await written(place, "", "one")
    assert restored(place, first_ms) == ["one"]
    _, second_ms = await written(place, conversation, "two")
    assert contents(place, None) == ["one", "two", "two, later"]
    assert contents(place, second_ms) == ["one", "two"]
    assert contents(place, first_ms) == ["one"]
    # Into the future that the first restore abandoned: what stood last before it.
    abandoned = query(place.data / "main.db", "SELECT since_ms FROM generations WHERE kind = 'restore'")
    assert contents(place, int(str(abandoned[0][0]))) == ["one", "one, later"]
    # A restore of a restore, and two in a row without anything written between.
    assert restored(place, second_ms) == ["one", "two"]
    assert restored(place, first_ms) == ["one"]
    await written(place, conversation, "three")
    assert contents(place, None) == ["one", "three", "three, later"]
    assert restored(place, second_ms) == ["one", "two"]
    assert query(place.data / "main.db", KINDS)[-1] == ("restore",)


async def test_a_new_machine_goes_on_from_the_replica_alone(place: Place) -> None:
    conversation, _ = await written(place, "", "one")
    moved = Place(data=place.data.with_name("elsewhere"), replica=place.target)
    moved.data.mkdir()
    assert restored(moved, None) == ["one", "one, later"]
    await written(moved, conversation, "two")
    assert contents(moved, None) == ["one", "one, later", "two", "two, later"]
