"""Draws the doctor's findings for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.markup import escape
from rich.table import Table

from ops.console import console
from ops.examining.findings import Finding

LEVEL_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def show(found: Sequence[Finding]) -> None:
    """Print the findings, by what they are about."""
    out = console()
    for subject, about in groupby(found, lambda finding: finding.subject):
        out.print(f"\n[bold]{escape(subject)}[/]", soft_wrap=True)
        out.print(_table(about))


def _table(found: Iterable[Finding]) -> Table:
    table = Table(box=None, show_header=False)
    for finding in found:
        level = f"[{LEVEL_STYLES[finding.level]}]{finding.level}[/]"
        text = finding.what if finding.ok else f"{finding.what}\n→ {finding.do}"
        table.add_row(level, escape(finding.check), escape(text))
    return table
