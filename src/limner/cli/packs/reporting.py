"""How `limner packs check` prints what it found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from limner.packs.report import Report

KINDS: Mapping[str, str] = {
    "network": "reaches the network",
    "pip": "runs pip, or another installer",
    "program": "starts programs",
    "write": "writes files",
    "thread": "starts threads",
    "variable": "sets environment variables",
}
MOST = 12
"""Entries of one kind that are shown."""


def print_report(console: Console, report: Report) -> None:
    """What a reader wants to know first comes first: whether it loads, what it needs, what it does."""
    count = f"{len(report.nodes)} node{'s' if len(report.nodes) != 1 else ''}"
    console.print(report.name, style="bold", markup=False, end="")
    verdict = "loads" if report.loads else "loads in part" if report.nodes else "does not load"
    console.print(f"  {verdict}: {count}, imported in {report.seconds:.2f} s", markup=False)
    lines(console, {"nodes": ", ".join(report.nodes)})
    lines(console, {"longest": ", ".join(f"{name} {seconds:.2f} s" for name, seconds in report.slow)})
    for problem in report.problems:
        console.print(problem, style="red", markup=False)
    if report.traceback:
        console.print(report.traceback.rstrip(), style="dim", markup=False)
    _section(console, "Names of ComfyUI that it asks for and that are missing:", _missing(report), "yellow")
    _section(console, "Requirements that are not met:", _unmet(report), "yellow")
    doings = [(words, entries) for words, entries in _doings(report) if entries]
    for words, entries in doings:
        _section(console, f"While it is imported, it {words}:", entries)
    if report.refused and doings:
        console.print(f"It was kept from {report.refused}, and no installer was run.", style="dim", markup=False)
    if report.loads and not (doings or report.missing):
        console.print("While it is imported, it does nothing but define its nodes.", markup=False)


def lines(console: Console, entries: Mapping[str, Any]) -> None:
    """Keys and values; those without a value are left out."""
    for key, value in entries.items():
        if value:
            console.print(f"{key:<12}", style="dim", end="")
            console.print(str(value), markup=False)


def _missing(report: Report) -> Iterator[str]:
    for item in report.missing:
        what = "ComfyUI has it, Limner does not" if item.known else "ComfyUI has no such name either"
        yield f"{item.name}  in {', '.join(item.places[:3])}  ({what})"


def _unmet(report: Report) -> Iterator[str]:
    for wanted in report.requirements:
        if not wanted.met:
            yield f"{wanted.line}  ({f'{wanted.version} is there' if wanted.version else 'it is not there'})"


def _doings(report: Report) -> Iterator[tuple[str, list[str]]]:
    """What it does, kind by kind."""
    for kind, words in KINDS.items():
        yield words, [f"{doing.what}  in {doing.where}" for doing in report.doings if doing.kind == kind]
    yield "replaces names of other modules", [patch.name for patch in report.patches if not patch.added]
    yield "adds names to other modules", [patch.name for patch in report.patches if patch.added]
    yield "brings modules whose names others may use too", list(report.modules)
    yield "takes the place of nodes that are there already", list(report.replaced)
    yield "declares HTTP routes", list(report.routes)


def _section(console: Console, head: str, entries: Iterable[str], style: str = "") -> None:
    listed = list(entries)
    if listed:
        console.print(head, markup=False, style=style)
        for entry in listed[:MOST]:
            console.print(f"  {entry}", markup=False)
        if len(listed) > MOST:
            console.print(f"  and {len(listed) - MOST} more; see --json", style="dim", markup=False)
