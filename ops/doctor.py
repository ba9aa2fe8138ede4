"""The doctor: refuses a start that cannot end well, and tells what is wrong in a data folder and what to do.

It reads databases in a process of its own, read-only, so that it may be called beside a running server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chat.settings import Settings
from chat.store import StoreFailed
from ops.examining import place
from ops.examining.findings import Finding, good
from ops.owned_settings import owned_settings
from ops.restoring import disk

FOLDER_MODE = 0o700

logger = logging.getLogger("palaver.doctor")


class StartRefused(Exception):
    """The server cannot work here; the message says why and what to do."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for what is wrong with the data folder and its databases, and say what to do; exit 1 for errors.

    A server may be running meanwhile.
    """
    found = findings(owned_settings())
    if as_json:
        report = {"ok": healthy(found), "findings": found}
        typer.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        # Not at the top: a server looks at its start with this file too, and draws no tables.
        from ops.examining.table import show

        show(found)
    if not healthy(found):
        raise typer.Exit(1)


def check_start(settings: Settings) -> None:
    """Make the data folder where there is none, and look at the place; log what should be mended.

    Raises StartRefused for what must be mended first. Call it before a database is opened.
    """
    folder = Path(settings.data).absolute()
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as problem:
        raise StartRefused(
            f"The data folder {folder} cannot be made ({problem.strerror}). "
            "Make it yourself, or set PALAVER_DATA to another folder."
        ) from problem
    found = [finding for finding in place.findings(settings) if not finding.ok]
    refused = [finding for finding in found if finding.level == "error"]
    if refused:
        raise StartRefused("\n".join(f"{_sentence(finding)} {finding.do}" for finding in refused))
    for finding in found:
        logger.warning("%s", _sentence(finding), extra={"do": finding.do})


@contextmanager
def starting(settings: Settings) -> Iterator[None]:
    """Refuse a start, with what to do, that fails since the disk is full."""
    folder = Path(settings.data).absolute()
    try:
        yield
    except (OSError, StoreFailed) as error:
        if not disk.is_full(error, folder):
            raise
        raise StartRefused(
            f"{disk.explained(error, folder)} A unit that gave up needs systemctl reset-failed palaver first."
        ) from error


def findings(settings: Settings) -> list[Finding]:
    """Look at the place and into every database file; changes nothing."""
    # Not at the top: a server looks at its place with this file too, and needs nothing of these.
    from ops.examining import live, replica, upkeep
    from ops.examining.examination import examine

    found = list(place.findings(settings))
    databases = place.databases(Path(settings.data).absolute())
    if not databases:
        found.append(good(settings.data, "databases", "none yet: `palaver serve` makes the first"))
    found += live.findings(settings, databases)
    found += replica.findings(settings, databases)
    found += upkeep.findings(settings, databases)
    for database in databases:
        found += examine(database, settings)
    return found


def healthy(found: list[Finding]) -> bool:
    """Tell whether nothing has to be mended before a server works; warnings do not count."""
    return all(finding.level != "error" for finding in found)


def _sentence(finding: Finding) -> str:
    return f"{finding.subject}: {finding.check}: {finding.what}."
