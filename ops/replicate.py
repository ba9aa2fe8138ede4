"""`palaver replicate`: the supervisor of Litestream alone, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from chat.settings import Settings
from ops.examining import place
from ops.leasing.fenced import Leased, Unleased
from ops.litestream import Litestream
from ops.logs import configure
from ops.owned_settings import owned_settings
from ops.replicating import leased
from ops.restoring import swap
from ops.restoring.place import file_name
from ops.restoring.refusal import Refused
from ops.supervising import binary
from ops.supervising.lock import SupervisedElsewhere
from ops.supervising.place import LitestreamPlace
from ops.supervising.target import target_of
from ops.supervising.told import Teller, Told, ToldElsewhere

EXIT_FAILED = 1
EXIT_USAGE = 2
TELL_S = 0.5


def replicate(
    anew: Annotated[
        list[str] | None,
        typer.Option(
            "--anew",
            help="Ask the process that replicates for a whole new copy of this database, as main, and return.",
        ),
    ] = None,
) -> None:
    """Copy every commit of the databases in PALAVER_DATA to the replica, until Ctrl-C or SIGTERM.

    `palaver serve` does that itself, unless PALAVER_REPLICATE is `alongside`. `--anew` works beside either.
    """
    settings = owned_settings()
    if anew:
        _ask_anew(settings, anew)
        return
    configure(settings)
    if not settings.replicates:
        print(
            "palaver replicate: PALAVER_REPLICA is off, so there is nowhere to copy to. Unset it for a folder in "
            "PALAVER_DATA, or name a folder or a URL.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    folder = Path(settings.data).absolute()
    if not folder.is_dir():
        print(f"palaver replicate: there is no folder {folder}; set PALAVER_DATA.", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    litestream = Litestream(settings, partial(place.databases, folder))
    teller = Teller(LitestreamPlace(settings))
    try:
        # What the supervisor inside a server tries again and again ends this command: nobody else speaks here.
        binary.usable(settings)
        # Half of a swap must not be copied: what a killed restore left is finished first.
        swap.settle(folder)
        litestream.acquire()
        teller.acquire()
    except (binary.BinaryRefused, SupervisedElsewhere, ToldElsewhere, Refused, OSError) as error:
        print(f"palaver replicate: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    print(f"Palaver replicates {folder} to {target_of(settings).shown}; Ctrl-C ends it", flush=True)
    try:
        asyncio.run(_run(settings, litestream, teller))
    finally:
        teller.release()


def _ask_anew(settings: Settings, names: list[str]) -> None:
    try:
        files = [file_name(name) for name in names]
        absent = [file for file in files if not (Path(settings.data) / file).exists()]
        if absent:
            raise Refused(f"there is no {', '.join(absent)} in {settings.data}.")
        for file in files:
            LitestreamPlace(settings).want_whole(file)
    except (Refused, OSError) as error:
        print(f"palaver replicate: {error}", file=sys.stderr)
        raise typer.Exit(getattr(error, "exit_code", EXIT_FAILED)) from error
    print(
        f"A whole new copy of {', '.join(files)} is made by whoever replicates; its log says when it is done."
    )


async def _run(settings: Settings, supervisor: Litestream, teller: Teller) -> None:
    """Run until a signal, and tell the server beside this process how it goes."""

    def tell() -> None:
        teller.tell(_told(litestream))

    litestream = leased(settings, supervisor, tell)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(litestream.run())
        telling = tasks.create_task(_again_and_again(tell))
        await stopped.wait()
        await litestream.stop()
        telling.cancel()


async def _again_and_again(tell: Callable[[], None]) -> None:
    while True:
        tell()
        await asyncio.sleep(TELL_S)


def _told(litestream: Leased | Unleased) -> Told:
    return Told(
        status=litestream.status,
        lease=litestream.lease_report(),
        refusal=litestream.refusal,
        proves_until_s=litestream.proves_until_s,
    )
