"""Verbs: what can be typed after `palaver`. Each is imported when it is typed, since all together take a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import typer
import typer.main
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Command, Context


class Verbs(TyperGroup):
    """The group of all verbs."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Name the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import a verb; None for what is none."""
        verb = VERBS.get(cmd_name)
        return None if verb is None else typer.main.get_command(verb())


def _serve() -> typer.Typer:
    from ops.serve import serve

    return _alone(serve)


def _migrate() -> typer.Typer:
    from ops.migrate import migrate

    return _alone(migrate)


def _replicate() -> typer.Typer:
    from ops.replicate import replicate

    return _alone(replicate)


def _status() -> typer.Typer:
    from ops.status import status

    return _alone(status)


def _token() -> typer.Typer:
    from ops.token import token

    return _alone(token)


def _tail() -> typer.Typer:
    from ops.tail.command import tail

    return _alone(tail)


def _doctor() -> typer.Typer:
    from ops.doctor import doctor

    return _alone(doctor)


def _snapshots() -> typer.Typer:
    from ops.snapshots import snapshots

    return _alone(snapshots)


@cache  # the application of restores is one for the process, and takes each part once
def _restore() -> typer.Typer:
    from ops.restore_command import app
    from ops.restore_parts import conversation, persona

    app.command("conversation")(conversation)
    app.command("persona")(persona)
    return app


def _backup() -> typer.Typer:
    from ops.backup import backup

    return _alone(backup)


def _drill() -> typer.Typer:
    from ops.drill import drill

    return _alone(drill)


def _vacuum() -> typer.Typer:
    from ops.vacuum import vacuum

    return _alone(vacuum)


def _alone(verb: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(verb)
    return app


VERBS: dict[str, Callable[[], typer.Typer]] = {
    "serve": _serve,
    "migrate": _migrate,
    "replicate": _replicate,
    "status": _status,
    "token": _token,
    "tail": _tail,
    "doctor": _doctor,
    "snapshots": _snapshots,
    "restore": _restore,
    "backup": _backup,
    "drill": _drill,
    "vacuum": _vacuum,
}
