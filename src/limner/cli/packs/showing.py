"""Commands that tell of packs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from limner.settings import Settings

from ..console import errors, output
from ..errors import CommandFailed
from .common import AsJson, Name, as_json, folders_of, places_of, problems, say, with_places

if TYPE_CHECKING:
    from limner.files import Folders
    from limner.packs.installed import InstalledPack
    from limner.packs.report import Report

MODULE = "custom_nodes."
KINDS = {
    "network": "reaches the network",
    "pip": "runs pip",
    "program": "starts programs",
    "write": "writes files",
    "thread": "starts threads",
    "variable": "sets environment variables",
}


@with_places
def show(json: AsJson = False, *, settings: Settings) -> None:
    """List the packs that are there, those that are switched off too."""
    from limner.packs.installed import installed

    with problems():
        packs = installed(places_of(settings))
    folders = folders_of(settings)
    counts, quarantined = _counts(folders), _quarantined(folders)
    if json:
        as_json([_told(pack, counts, quarantined) for pack in packs])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("pack", "version", "nodes", "state", "from"):
        table.add_column(column)
    for pack in packs:
        known = _told(pack, counts, quarantined)
        version = known["version"] or known["commit"][:10]
        nodes = str(known["nodes"]) if known["nodes"] is not None else ""
        table.add_row(pack.name, version, nodes, known["state"], known["from"], style=None if pack.enabled else "dim")
    output().print(table)
    if not packs:
        errors().print("There are no packs. Get one with: limner packs install SOURCE", style="dim")


@with_places
def info(name: Name, json: AsJson = False, *, settings: Settings) -> None:
    """Show a pack in full; one that is not there, as the registry tells of it."""
    from limner.packs import requirements
    from limner.packs.errors import UnknownPack
    from limner.packs.installed import find

    with problems():
        try:
            pack = find(places_of(settings), name)
        except UnknownPack as error:
            _listed(name, settings, error, json=json)
            return
        wanted = requirements.wanted_by(pack.path)
    folders = folders_of(settings)
    told = _told(pack, _counts(folders), _quarantined(folders)) | {"path": str(pack.path), "requirements": list(wanted)}
    told["types"] = sorted(_types(folders).get(pack.name, ()))
    if json:
        as_json(told)
        return
    console = output()
    console.print(pack.name, style="bold", markup=False, end="")
    console.print(f"  {told['version']}  {told['state']}", markup=False)
    _lines(console, {key: told[key] for key in ("path", "from", "commit", "installed")})
    _lines(console, {"problem": told["problem"]})
    _lines(console, {"requires": ", ".join(wanted), "nodes": ", ".join(told["types"])})


@with_places
def check(
    pack: Annotated[
        str, typer.Argument(help="A pack's name, or a folder or file that is none yet.", show_default=False)
    ],
    network: Annotated[bool, typer.Option("--network", help="Let it reach the network.")] = False,
    json: AsJson = False,
    *,
    settings: Settings,
) -> None:
    """Import a pack in a process of its own, and say what it does, needs and lacks. Runs its code."""
    from limner.packs.checking import check as do_check
    from limner.packs.installed import find
    from limner.packs.records import read_records
    from limner.packs.sources import check as check_files

    with problems():
        places = places_of(settings)
        path = Path(pack).expanduser().resolve() if Path(pack).exists() else find(places, pack).path
        check_files(path)
        packages = read_records(places.home).packages if places.home.is_dir() else ""
        if not json:
            say(f"importing {path.name}")
        report = do_check(path, network=network, packages=places.packages / packages if packages else None)
    if json:
        import msgspec

        as_json(msgspec.to_builtins(report) | {"loads": report.loads})
    else:
        _print(output(), report)
    if not report.loads:
        raise CommandFailed(f"{report.name} does not load as it should", "")


def _print(console: Console, report: Report) -> None:
    count = f"{len(report.nodes)} node{'s' if len(report.nodes) != 1 else ''}"
    console.print(report.name, style="bold", markup=False, end="")
    console.print(f"  {count}, imported in {report.seconds:.2f} s", markup=False)
    slow = [f"{name} {seconds:.2f} s" for name, seconds in report.slow]
    _lines(console, {"longest": ", ".join(slow), "nodes": ", ".join(report.nodes)})
    for problem in report.problems:
        console.print(f"does not load: {problem}", style="red", markup=False)
    if report.traceback:
        console.print(report.traceback.rstrip(), style="dim", markup=False)
    for item in report.missing:
        what = "ComfyUI has it, Limner does not" if item.known else "ComfyUI has no such name either"
        console.print(f"missing: {item.name} ({what}) {', '.join(item.places[:3])}", style="yellow", markup=False)
    for wanted in report.requirements:
        if not wanted.met:
            there = f"{wanted.version} is there" if wanted.version else "it is not there"
            console.print(f"requires: {wanted.line} ({there})", style="yellow", markup=False)
    if report.refused:
        console.print(f"It was kept from {report.refused}; pip was not run.", style="dim", markup=False)
    for kind, words in KINDS.items():
        _several(console, words, [f"{doing.what} ({doing.where})" for doing in report.doings if doing.kind == kind])
    _several(console, "replaces names of others", [patch.name for patch in report.patches if not patch.added])
    _several(console, "adds names to others", [patch.name for patch in report.patches if patch.added])
    _several(console, "brings modules of common names", report.modules)
    _several(console, "takes the place of nodes", report.replaced)
    if report.routes:
        console.print(f"serves {report.routes} HTTP routes", markup=False)
    if report.loads and not (report.doings or report.patches or report.missing):
        console.print("It does nothing but define its nodes.", markup=False)


def _several(console: Console, words: str, entries: Any, most: int = 12) -> None:
    if entries:
        console.print(f"{words}:", markup=False)
        for entry in list(entries)[:most]:
            console.print(f"  {entry}", markup=False)
        if len(entries) > most:
            console.print(f"  and {len(entries) - most} more; see --json", style="dim", markup=False)


def _lines(console: Console, entries: dict[str, Any]) -> None:
    for key, value in entries.items():
        if value:
            console.print(f"{key:<10}", style="dim", end="")
            console.print(str(value), markup=False)


def _quarantined(folders: Folders) -> Mapping[str, str]:
    from limner.app.quarantine import Quarantine

    return Quarantine(folders).reasons()


def _told(pack: InstalledPack, counts: Counter[str] | None, quarantined: Mapping[str, str]) -> dict[str, Any]:
    source = pack.source
    problem = quarantined.get(pack.name, "") if pack.enabled else ""
    running = "quarantined" if problem else "own host" if pack.isolated else "on"
    return {
        "name": pack.name,
        "version": pack.version,
        "commit": pack.commit,
        "state": running if pack.enabled else "off",
        "problem": problem,
        "from": str(source) if source is not None else "",
        "installed": str(pack.record.get("installed", "")),
        "nodes": counts[pack.name] if counts is not None and pack.enabled else None,
    }


def _types(folders: Folders) -> dict[str, list[str]]:
    """Node types by pack, as they were when the nodes were last read; empty where the packs have changed since."""
    from limner.app.schema_cache import cache_for

    found: dict[str, list[str]] = {}
    for schema in cache_for(folders).load() or ():
        if schema.module.startswith(MODULE):
            found.setdefault(schema.module.removeprefix(MODULE), []).append(schema.type)
    return found


def _counts(folders: Folders) -> Counter[str] | None:
    types = _types(folders)
    return Counter({name: len(entries) for name, entries in types.items()}) if types else None


def _listed(name: str, settings: Settings, unknown: Exception, *, json: bool) -> None:
    """What the registry says. Raises the error where it knows no such pack either."""
    from dataclasses import asdict

    from limner.packs.errors import BadSource, UnknownPack
    from limner.packs.registry import Registry

    try:
        listing = Registry(settings.pack_registry).listing(name)
    except (UnknownPack, BadSource):
        raise unknown from None
    if json:
        as_json(asdict(listing))
        return
    console = output()
    console.print(listing.name or listing.id, style="bold", markup=False, end="")
    console.print(f"  {listing.latest}  not installed", markup=False)
    console.print(listing.description, markup=False)
    told = {"by": listing.publisher, "repository": listing.repository, "requires": ", ".join(listing.dependencies)}
    _lines(console, {**told, "get it": f"limner packs install {listing.id}"})
