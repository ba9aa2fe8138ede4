"""The settings of a command that works in the data folder: once they are known, it works as the folder's owner."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from chat.settings import Settings
from ops.restoring.owner import become
from ops.restoring.refusal import Misused


def owned_settings(folder: str = "") -> Settings:
    """Read the settings, and go on as the owner of the data folder, or of another `folder` that is worked in.

    Raises BadSetting. Ends the command, with what to type, for a user who is neither root nor the owner.
    """
    settings = Settings.from_environment()
    try:
        told = become(Path(folder or settings.data).absolute(), sys.argv)
    except Misused as refused:
        print(f"palaver: {refused}", file=sys.stderr)
        raise typer.Exit(refused.exit_code) from refused
    if told:
        print(f"palaver: {told}", file=sys.stderr)
    return settings
