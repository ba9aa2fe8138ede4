"""Draws for a person what was restored beside and what would be lost."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Column, Table

from ops.console import console
from ops.restoring import moment, report
from ops.restoring.inplace import Outcome
from ops.restoring.loss import Loss


def show(outcome: Outcome) -> None:
    """Print a table of the copies, one of the conversations that lose something, and the notes."""
    out = console()
    asked = "the latest copy" if outcome.at_ms is None else moment.shown(outcome.at_ms)
    out.print(f"\nAsked for: [bold]{asked}[/]")
    out.print(_copies(outcome))
    for loss in outcome.losses:
        if loss.conversations:
            out.print(_lost(loss))
        else:
            out.print(f"{escape(loss.file)}: {escape(report.lost(loss))}.", soft_wrap=True)
    for note in outcome.notes:
        out.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)


def _copies(outcome: Outcome) -> Table:
    table = Table("file", "is of", "messages", "conversations", "size", "fetched", "checked")
    for copy in outcome.copies:
        standing = copy.standing
        table.add_row(
            copy.file,
            report.shown(standing.moment_ms),
            str(standing.messages),
            str(standing.conversations),
            report.size(copy.size_bytes),
            f"{copy.fetch_s:.1f} s",
            f"{copy.check_s:.1f} s",
        )
    return table


def _lost(loss: Loss) -> Table:
    title = f"{loss.file}: {report.lost(loss)}"
    # Its id is what the next command takes, so it is folded rather than cut.
    conversation = Column("conversation", overflow="fold")
    table = Table(conversation, "title", "messages", "other", "last now", "last in the copy", title=title)
    for each in loss.conversations[: report.CONVERSATIONS_SHOWN_MAX]:
        table.add_row(
            each.conversation_id,
            escape((each.title or "")[: report.TITLE_SHOWN_MAX]),
            str(each.messages),
            str(each.changes),
            f"{each.last_seq}, {report.shown(each.last_ms)}",
            "none of it" if each.whole else f"{each.copied_last_seq}, {report.shown(each.copied_last_ms)}",
        )
    more = len(loss.conversations) - report.CONVERSATIONS_SHOWN_MAX
    if more > 0:
        table.caption = f"and {more} more conversations"
    return table
