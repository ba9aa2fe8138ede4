"""`palaver restore conversation` and `palaver restore persona`: a part comes back, and the rest goes on as it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chat.broker import MemoryBroker
from chat.errors import Problem, Unknown
from chat.ids import MAIN, PERSONA, persona_of
from chat.observer import NullObserver
from chat.revival import revive
from chat.settings import Settings
from chat.store import Revived, StoreFailed
from chat.writer import Writer
from ops.live import OPERATOR, Live, NotRunning, Refused
from ops.owned_settings import owned_settings
from ops.restore_command import run
from ops.restore_place import place_of
from ops.restore_progress import shown_progress
from ops.restoring import disk, moment, scratch, swap
from ops.restoring.beside import restore_beside
from ops.restoring.locks import server_of
from ops.restoring.progress import Progress
from ops.restoring.refusal import Misused
from ops.restoring.refusal import Refused as RestoreRefused
from ops.restoring.request import Request
from storage.archives import Missing, RestoredArchives, copy_file, missing
from storage.engine import sqlite3
from storage.lock import AlreadyServed
from storage.migrate import MigrationRefused
from storage.paths import path_of

EXIT_FAILED = 1
REVIVAL_TIMEOUT_S = 3600.0
SWAP_TIMEOUT_S = 120.0
RESTORES = "/v1/ops/restores"
PERSONA_RESTORES = "/v1/ops/personas/{persona}/restores"
BRING_BACK = "bring back"
AN_ID = "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5"

AT_HELP = f"The moment; without a zone it is UTC. {moment.HOW}."
At = Annotated[str, typer.Option("--at", help=AT_HELP)]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would come back.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
From = Annotated[
    Path | None, typer.Option("--from", help="A database file to bring it back from, instead of the replica.")
]


def conversation(
    conversation_id: Annotated[str, typer.Argument(help="The id, as main:0199….", metavar="conversation_id")],
    at: At = "",
    source: From = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring back one conversation as it was, into the live system; a server may be running.

    What is missing today comes back as new messages with their old times, what was deleted stands again in its
    place, and what stands is left as it is. Members come back who did not leave since.
    """
    settings = owned_settings()
    try:
        persona = _persona_of(conversation_id)
        with _copy(settings, persona, at, source) as folder:
            found = missing(path_of(Path(settings.data), persona), path_of(folder, persona), conversation_id)
            if dry_run:
                _tell_missing(found, as_json=as_json)
                return
            _ask(found, conversation_id, yes=yes, as_json=as_json)
            with shown_progress() as (tell, _):
                tell(Progress(BRING_BACK, conversation_id))
                revived = _revive(settings, persona, conversation_id, folder.name)
    except Misused as error:
        _refuse(str(error), error.exit_code)
    except (RestoreRefused, Refused, StoreFailed, AlreadyServed, MigrationRefused, OSError) as error:
        _refuse(disk.explained(error, Path(settings.data).absolute()))
    except sqlite3.Error as error:
        folder = Path(settings.data).absolute()
        if disk.is_full(error, folder):
            _refuse(disk.explained(error, folder))
        _refuse(f"a database cannot be read ({error}); palaver doctor tells more")
    except Problem as problem:
        _refuse(problem.detail)
    else:
        _tell(revived, as_json=as_json)


def persona(
    persona_id: Annotated[str, typer.Argument(help="The persona's id.", metavar="persona_id")],
    at: Annotated[str, typer.Option("--at", help=AT_HELP)],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put the file of one persona back to a moment, in place, and leave the others as they are.

    A running server goes on with all other files; what is sent to the persona meanwhile gets a temporary error. What
    would be lost is shown first.
    """
    if persona_id == MAIN:
        _refuse(
            "main is everybody's file: palaver restore --in-place --file main puts it back.",
            Misused.exit_code,
        )
    if not PERSONA.match(persona_id):
        _refuse(f"{persona_id!r} is no persona: write its id, as luna.", Misused.exit_code)
    file = path_of(Path(), persona_id).name
    settings = owned_settings()
    server = server_of(path_of(Path(settings.data), persona_id))
    hand_over = None if server is None else partial(_hand_over, settings, persona_id, server)
    asked = Request(at=at, files=(file,), in_place=not dry_run, dry_run=dry_run)
    run(asked, yes, as_json, hand_over)


def _hand_over(settings: Settings, persona_id: str, server: int, folder: str) -> str:
    """Let the running server swap its file; raises RestoreRefused where it did not."""
    path = PERSONA_RESTORES.format(persona=persona_id)
    try:
        answer = Live(settings).post(path, {"copy": folder}, SWAP_TIMEOUT_S)
    except (NotRunning, Refused) as error:
        file = path_of(Path(), persona_id).name
        raise RestoreRefused(
            f"{file} is served by the process with pid {server}, which did not swap it: {error}"
        ) from error
    return str(answer["replaced"])


def _persona_of(conversation_id: str) -> str:
    try:
        return persona_of(conversation_id)
    except Unknown as error:
        raise Misused(
            f"{conversation_id!r} is no conversation's id: write it as {AN_ID}, the persona and a UUID."
        ) from error


@contextmanager
def _copy(settings: Settings, persona: str, at: str, source: Path | None) -> Iterator[Path]:
    """Put a copy of a persona's file into a folder of `restores` that is taken away at the end."""
    if bool(at) == (source is not None):
        raise Misused("say either --at and a moment, or --from and a database file")
    place = place_of(settings)
    with scratch.temporary(place) as folder:
        file = path_of(folder, persona)
        if source is None:
            # What is shown of the way ends with it: whoever is asked next must see the question.
            with shown_progress() as (tell, _):
                restore_beside(place, [file.name], moment.parse(at), folder, tell=tell)
        else:
            _copy_file(source, file)
        yield folder


def _copy_file(source: Path, file: Path) -> None:
    try:
        copy_file(source, file)
    except sqlite3.Error as error:
        reason = str(error) if source.exists() else "there is no such file"
        raise RestoreRefused(
            f"--from {source}: {reason}. Name a database file, as of a backup or of restore --to."
        ) from error


def _revive(settings: Settings, persona: str, conversation_id: str, copy: str) -> Revived:
    """Let the running server write it; where none runs, write it here, under the file's lock."""
    if server_of(path_of(Path(settings.data), persona)) is None:
        swap.settle(place_of(settings).data)
        return asyncio.run(_revive_here(settings, persona, conversation_id, copy))
    asked = {"conversation_id": conversation_id, "copy": copy}
    try:
        answer = Live(settings).post(RESTORES, asked, REVIVAL_TIMEOUT_S)
    except NotRunning as error:
        raise Refused(503, str(error)) from error
    return msgspec.convert(answer, Revived)


async def _revive_here(settings: Settings, persona: str, conversation_id: str, copy: str) -> Revived:
    # Not at the top: all of `palaver restore` is imported with this file, and writes to no database otherwise.
    from storage.personas import PersonaFiles

    files = PersonaFiles(settings, NullObserver())
    try:
        store = await files.open(persona)
        archive = RestoredArchives(Path(settings.data)).archive(copy, persona)
        writer = Writer(store, MemoryBroker(), NullObserver(), settings, lambda: None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer.run())
            try:
                return await revive(writer, archive, conversation_id, OPERATOR)
            finally:
                writer.close()
    finally:
        await files.close()


def _ask(found: Missing, conversation_id: str, *, yes: bool, as_json: bool) -> None:
    """Go on where somebody consents; raises RestoreRefused where nobody does."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise RestoreRefused("nobody can be asked here: add --yes, or --dry-run to see what would come back")
    _tell_missing(found, as_json=False)
    if not typer.confirm(f"Bring back {conversation_id}?"):
        raise RestoreRefused("nothing was brought back, and nothing was touched")


def _tell_missing(found: Missing, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    if found.conversation != "stands":
        today = "is deleted today" if found.conversation == "deleted" else "is not there today"
        typer.echo(
            f"The conversation itself {today}: it comes back, with {found.messages} messages and "
            f"{found.members} members."
        )
    elif not found.missing + found.deleted + found.members_added:
        typer.echo("Nothing of it is missing today: there is nothing to bring back.")
    typer.echo(
        f"Of the messages of the copy {found.missing} are missing today, {found.deleted} were deleted, and "
        f"{found.kept} stand as they are; {found.members_added} members come back."
    )


def _tell(revived: Revived, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(revived))
        return
    itself = "The conversation came back. " * (revived.created or revived.undeleted)
    typer.echo(
        f"{itself}{revived.messages_restored} messages stand again, {revived.messages_added} came back as new ones, "
        f"{revived.messages_kept} stood already; {revived.members_added} members came back."
    )
    if revived.messages_refused:
        typer.echo(
            f"{revived.messages_refused} were left: something else stands under their keys today.", err=True
        )


def _refuse(text: str, code: int = EXIT_FAILED) -> None:
    print(f"palaver restore: {text}", file=sys.stderr)
    raise typer.Exit(code)
