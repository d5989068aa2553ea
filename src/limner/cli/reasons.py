"""Prints why the steps of a run ran, were cached or were skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from limner.engine import Reason

STYLES = {"ran": "green", "cached": "cyan", "skipped": "dim"}


def show(console: Console, reasons: Sequence[Reason], names: Mapping[str, str]) -> None:
    """One row a step; `names` is what to call the nodes of the workflow."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Node", "", "Seconds", "Why"):
        table.add_column(title, justify="right" if title == "Seconds" else "left", overflow="fold")
    for reason in reasons:
        seconds = f"{reason.seconds:.3f}" if reason.outcome == "ran" else ""
        name = names.get(reason.node, reason.type)
        table.add_row(reason.node, name, seconds, reason.text, style=STYLES.get(reason.outcome))
    console.print(table)
