"""`palaver serve`: starts the server, and tells a newcomer what to open and what to paste."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from chat.auth import check_keys
from chat.settings import BadSetting, Settings
from ops.entry import unwinding
from ops.greeting import greeting
from ops.logs import configure
from ops.owned_settings import owned_settings
from ops.restore_start import fetch_missing
from ops.restoring.locks import server_of
from ops.restoring.place import MAIN
from ops.restoring.refusal import Refused
from ops.server import serve as run
from ops.serving.options import ServerOptions
from ops.supervising.target import target_of

COLLECT_AFTER = (20_000, 20, 50)  # new objects, and how many collections of the younger make one of the older

logger = logging.getLogger("palaver.serve")


def serve(
    restore_if_missing: Annotated[
        bool,
        typer.Option("--restore-if-missing", help="Fetch the newest copies of databases that are not there."),
    ] = False,
    start_empty: Annotated[
        bool,
        typer.Option("--start-empty", help="Begin anew even where copies of what was there may exist."),
    ] = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM. PALAVER_… variables set everything; docs/reference/settings.md lists them."""
    # Before the most is imported: what is made there stays, and the collector would look at it all the while.
    gc.set_threshold(*COLLECT_AFTER)
    import asgi

    settings = owned_settings()
    configure(settings)
    try:
        check_keys(settings)
        if settings.replicates:
            target_of(settings)
        _refuse_second(settings)
        if restore_if_missing:
            with unwinding():
                fetch_missing(settings, start_empty=start_empty)
        app = asgi.build(settings, start_empty=start_empty)
    except Refused as error:
        print(f"palaver serve: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
    except BadSetting as error:
        print(f"palaver serve: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    raise typer.Exit(run(app, options(settings), lambda address: _settle(settings, address)))


def options(settings: Settings) -> ServerOptions:
    """Write the settings down as the server wants them."""
    return ServerOptions(
        host=settings.host,
        port=settings.port,
        trusted_proxies=tuple(
            entry.strip() for entry in settings.trusted_proxies.split(",") if entry.strip()
        ),
        idle_timeout_s=settings.idle_timeout_s,
        header_timeout_s=settings.header_timeout_s,
        message_bytes_max=settings.frame_in_bytes_max,
        send_buffer_bytes=settings.send_buffer_bytes,
        compress=settings.compress,
        drain_timeout_s=settings.shutdown_spread_s + settings.slow_close_s + 1.0,
    )


def _refuse_second(settings: Settings) -> None:
    """Name the server that has this folder, before the port that it most often has too; the lock itself comes later."""
    database = Path(settings.data).absolute() / MAIN
    pid = server_of(database)
    if pid:
        raise Refused(
            f"{database} is already served by the process with pid {pid}. Stop that one (kill {pid}), or set "
            "PALAVER_DATA to another folder and PALAVER_PORT to another port."
        )


def _settle(settings: Settings, address: tuple[str, int]) -> None:
    """Greet, and spare the collector what stays for ever: it would walk all of it again and again under load."""
    print(greeting(settings, address, demo_tokens=sys.stdout.isatty()), flush=True)
    gc.collect()
    gc.freeze()
