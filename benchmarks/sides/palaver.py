"""Palaver as `palaver serve` starts it: its defaults, but without the limit on a user's commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.job import HOST, BenchmarkFailed, Figures, Seat
from benchmarks.plan import Pace, Plan
from benchmarks.process import Server, free_port
from benchmarks.rest import Rest
from benchmarks.sides.serving import ROOT, rooms, run_load

PREFIX = "PALAVER_"
UNLIMITED = "1000000000"
TOKENS_PER_CALL = 2000
TOKEN_TIMEOUT_S = 60.0


class PalaverSide:
    """The server of this tree, its tokens from its own command, its conversations made over REST."""

    def takes(self, plan: Plan) -> bool:
        """Take part in everything."""
        return True

    def measure(self, plan: Plan, pace: Pace, folder: Path, profile: str) -> Figures:
        """Run a plan once."""
        port = free_port()
        env = environment(folder / "data", port)
        with Server([*command(), "serve"], env, folder, port, "/readyz") as server:
            seats = seats_of(rooms(plan), env, port)
            return run_load(plan, pace, server, "palaver", seats, profile)


def command() -> list[str]:
    """Return how the `palaver` of this tree is called."""
    script = Path(sys.executable).with_name("palaver")
    return [str(script)] if script.exists() else [sys.executable, "-m", "ops.cli"]


def environment(data: Path, port: int, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the environment of a server and of its commands; `more` are settings without their prefix."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    settings = {
        "DATA": str(data),
        "HOST": HOST,
        "PORT": str(port),
        "SYNCHRONOUS": "full",
        "COMMAND_RATE_PER_S": UNLIMITED,
        "COMMAND_BURST": UNLIMITED,
        "REPLICA": "off",  # those that it is compared with copy nothing either
        **more,
    }
    path = os.pathsep.join(filter(None, (str(ROOT), inherited.get("PYTHONPATH", ""))))
    return inherited | {PREFIX + name: value for name, value in settings.items()} | {"PYTHONPATH": path}


def seats_of(users_by_room: list[list[str]], environment: Mapping[str, str], port: int) -> list[Seat]:
    """Make the tokens and the conversations; return who sits where."""
    users = [user for room in users_by_room for user in room]
    tokens = dict(zip(users, _tokens(users, environment), strict=True))
    seats: list[Seat] = []
    with Rest(HOST, port) as rest:
        for room in users_by_room:
            channel = rest.create_conversation(tokens[room[0]], room[1:])
            seats.extend(Seat(user, tokens[user], channel) for user in room)
    return seats


def _tokens(users: list[str], environment: Mapping[str, str]) -> list[str]:
    tokens: list[str] = []
    for start in range(0, len(users), TOKENS_PER_CALL):
        some = users[start : start + TOKENS_PER_CALL]
        arguments = [argument for user in some for argument in ("--user", user)]
        done = subprocess.run(
            [*command(), "token", *arguments],
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=TOKEN_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise BenchmarkFailed(f"`palaver token` exited with {done.returncode}:\n{done.stderr}")
        tokens.extend(done.stdout.split())
    if len(tokens) != len(users):
        raise BenchmarkFailed(f"`palaver token` printed {len(tokens)} tokens for {len(users)} users")
    return tokens
