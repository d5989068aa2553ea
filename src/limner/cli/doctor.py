"""`limner doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from limner.settings import Settings

from .console import output
from .errors import CommandFailed
from .flags import with_settings

if TYPE_CHECKING:
    from limner.app.doctor import Finding

MARKS = {"ok": ("ok", "green"), "note": ("note", "cyan"), "warning": ("warn", "yellow"), "problem": ("FAIL", "red")}
WIDTH = 16
"""Of what was looked at."""


@with_settings()
def command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Look over devices, drivers, versions, packs, models, ports and permissions; each line with its remedy.

    It takes the settings that the server would take. Nothing is changed, and no pack is run.
    """
    from limner.app.doctor import Level, examine

    console, counts = output(), Counter[Level]()
    told: list[dict[str, str]] = []
    for section, findings in examine(settings):
        counts.update(finding.level for finding in findings)
        if json:
            told += [_as_json(section, finding) for finding in findings]
        else:
            console.print(section, style="bold")
            for finding in findings:
                _show(console, finding)
            console.print()
    if json:
        console.print_json(data=told)
    else:
        said = [_count(counts[level], level.value) for level in (Level.PROBLEM, Level.WARNING, Level.NOTE)]
        found = [each for each in said if each]
        console.print(f"Found {', '.join(found)}." if found else "Everything is well.")
    if counts[Level.PROBLEM]:
        raise CommandFailed(f"{_count(counts[Level.PROBLEM], 'problem')} must be solved before a server works")


def _show(console: Console, finding: Finding) -> None:
    """A finding in a line, and its remedy below; the terminal alone wraps them, so that both can be copied."""
    mark, colour = MARKS[finding.level.value]
    line = Text(f"  {mark:<5}", style=colour)
    line.append(f"{finding.what:<{WIDTH}}  ", style="default")
    console.print(line.append(finding.found, style="default"))
    if finding.remedy:
        console.print(f"{'':<{WIDTH + 9}}→ {finding.remedy}", style="dim" if mark == "note" else colour, markup=False)


def _as_json(section: str, finding: Finding) -> dict[str, str]:
    return {
        "section": section,
        "level": finding.level.value,
        "what": finding.what,
        "found": finding.found,
        "remedy": finding.remedy,
    }


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}" if count else ""
