"""`palaver status`: how the running server is, and whether its copies arrive; for people, and for scripts."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chat.health import OK
from chat.replication import REPLICATING, WELL, Replica, ReplicationReport
from chat.settings import Settings
from ops.console import console
from ops.live import Live, NotRunning, Refused
from ops.owned_settings import owned_settings

STATUS = "/v1/ops/status"
REPLICATION = "/v1/ops/replication"
EXIT_UNWELL = 1
EXIT_NOT_RUNNING = 75  # sysexits.h, EX_TEMPFAIL: ask again when it runs
MS_PER_S = 1000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


class Part(msgspec.Struct, frozen=True):
    """One part of the server, as its status tells it."""

    part: str
    ok: bool
    reason: str = ""


class Status(msgspec.Struct, frozen=True):
    """What this command reads of the server's status."""

    version: str
    status: str
    parts: list[Part]
    connections: int
    subscriptions: int
    last_verified_restore_ms: int = 0


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print what the server says as JSON.")] = False,
    token: Annotated[
        str,
        typer.Option(help="A token of scope ops, where the server does not sign its own."),
    ] = "",
) -> None:
    """Show how the running server is and whether its copies arrive; exit 1 if anything is not well, 75 if none runs."""
    # Without a token it signs one, with the secret in the data folder.
    live = Live(Settings.from_environment() if token else owned_settings(), token)
    try:
        said, replication = live.get(STATUS), live.get(REPLICATION)
    except NotRunning as error:
        print(f"palaver status: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_RUNNING) from error
    except Refused as error:
        print(
            f"palaver status: the server refused to tell: {error}. Give --token one of scope ops.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_UNWELL) from error
    if as_json:
        both = {**said, "replication": replication}
        typer.echo(msgspec.json.format(msgspec.json.encode(both)))
    else:
        show(
            live.url,
            msgspec.convert(said, Status),
            msgspec.convert(replication, ReplicationReport),
            console(),
        )
    if said["status"] != OK:
        raise typer.Exit(EXIT_UNWELL)


def show(url: str, said: Status, replication: ReplicationReport, out: Console) -> None:
    """Draw it as people read it."""
    out.print(
        Text.assemble(
            f"Palaver {said.version} at {url} is ",
            (said.status, "green" if said.status == OK else "bold red"),
            f", {said.connections} connected",
        )
    )
    for part in said.parts:
        if not part.ok:
            out.print(Text.assemble((f"  {part.part}: ", "red"), part.reason))
    if not replication.on:
        out.print("Nothing is replicated (PALAVER_REPLICA=off).")
        return
    out.print(_copies(replication))
    out.print(_verified(said.last_verified_restore_ms))
    for line in _notes(replication):
        out.print(line, style="yellow")


def _copies(replication: ReplicationReport) -> Table:
    table = Table(title=f"Copies to {replication.target}", title_justify="left")
    for heading in ("File", "State", "Since", "Proven", "Reason"):
        table.add_column(heading, overflow="fold")
    for replica in replication.files:
        style = "green" if replica.state == REPLICATING else "yellow" if replica.state in WELL else "bold red"
        table.add_row(
            replica.file,
            Text(replica.state, style),
            f"{_ago(replica.since_ms)} ago",
            _proven(replica),
            replica.reason,
        )
    return table


def _proven(replica: Replica) -> str:
    return f"all until {_ago(replica.proven_ms)} ago" if replica.proven_ms else "nothing yet"


def _verified(began_ms: int) -> str:
    if not began_ms:
        return "No restore was verified yet: palaver drill does it, and so does the server once a day."
    return f"The last restore was verified {_ago(began_ms)} ago."


def _notes(replication: ReplicationReport) -> list[str]:
    lease, litestream, notes = replication.lease, replication.litestream, []
    if lease.state == "none":
        notes.append("No lease guards this place: nothing keeps a second machine from writing to it.")
    if lease.weak:
        notes.append("The lease is weak: this store knows no conditional writes.")
    if litestream.restarts:
        notes.append(
            f"Litestream was started anew {litestream.restarts} times; last because: {litestream.reason}"
        )
    return notes


def _ago(since_ms: int) -> str:
    seconds = max(0, int(time.time() - since_ms / MS_PER_S))
    for unit_s, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"
