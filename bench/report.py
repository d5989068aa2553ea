"""What a measurement says, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside what it is held against.

    `baseline` was measured in the same run, in the same unit, by what `against` names. `bound` is the value that it
    shall reach: at most this, or at least this where `at_least` is set; None where there is none.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    bound: float | None = None
    at_least: bool = False

    @property
    def kept(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def heading(subject: str) -> Table:
    table = Table(title=subject, title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("figure", no_wrap=True)
    table.add_column("measured", justify="right")
    table.add_column("baseline", justify="right")
    table.add_column("of")
    table.add_column("bound", justify="right")
    return table


def show(console: Console, subject: str, figures: list[Figure]) -> None:
    """A table of one subject's figures; a bound that is not kept stands out."""
    table = heading(subject)
    for figure in figures:
        bound = "" if figure.bound is None else f"{'>=' if figure.at_least else '<='} {_number(figure.bound)}"
        mark = "" if figure.kept is None else "  ok" if figure.kept else "  missed"
        table.add_row(
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            "" if figure.baseline is None else f"{_number(figure.baseline)} {figure.unit}",
            figure.against,
            f"{bound}{mark}",
            style="red" if figure.kept is False else None,
        )
    console.print(table)
    console.print()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
