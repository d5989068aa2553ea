"""Commands that tell of packs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from limner.settings import Settings

from ..console import errors, output
from ..errors import CommandFailed
from .common import AsJson, Name, as_json, folders_of, places_of, problems, say, with_places
from .known import OFF, Knowledge
from .reporting import lines, print_report

if TYPE_CHECKING:
    from limner.packs.errors import UnknownPack
    from limner.packs.installed import InstalledPack
    from limner.packs.places import Places
    from limner.packs.trying import Surroundings


@with_places
def show(json: AsJson = False, *, settings: Settings) -> None:
    """List the packs that are there, those that are switched off too."""
    from limner.packs.installed import installed

    with problems():
        packs = installed(places_of(settings))
    known = Knowledge.of(settings)
    told = [known.told(pack) for pack in packs]
    if json:
        as_json(told)
        return
    if not packs:
        output().print("There are no packs. Get one with: limner packs install SOURCE", markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("pack", "version", "nodes", "state", "from"):
        table.add_column(column, no_wrap=column != "from")
    for entry in told:
        nodes = "?" if entry["nodes"] is None and entry["state"] != OFF else str(entry["nodes"] or "")
        cells = (entry["name"], entry["version"] or entry["commit"][:10], nodes, entry["state"], entry["from"])
        table.add_row(*map(_plain, cells), style="dim" if entry["state"] == OFF else None)
    output().print(table)
    for entry in told:
        if entry["problem"]:
            errors().print(f"{entry['name']}: {_first_line(entry['problem'])}", style="yellow", markup=False)
    if known.types is None:
        errors().print("? is known once a server has loaded the packs as they are now.", style="dim")


@with_places
def info(name: Name, json: AsJson = False, *, settings: Settings) -> None:
    """Show all that is known of a pack; of one that is not here, what the registry says."""
    from limner.packs import requirements
    from limner.packs.errors import UnknownPack
    from limner.packs.installed import find

    with problems():
        try:
            pack = find(places_of(settings), name)
        except UnknownPack as error:
            _listed(name, settings, error, json=json)
            return
        known = Knowledge.of(settings)
        told = known.told(pack) | {"path": str(pack.path), "environment": _environment(pack, settings)}
        told["requirements"] = [] if told["problem"].startswith(str(pack.path)) else requirements.wanted_by(pack.path)
        told["types"] = list(known.types_of(pack))
    if json:
        as_json(told)
    else:
        _print_info(output(), told)


def _print_info(console: Console, told: dict[str, Any]) -> None:
    console.print(told["name"], style="bold", markup=False, end="")
    console.print(f"  {told['version']}  {told['state']}".replace("    ", "  "), markup=False)
    lines(console, {key: told[key] for key in ("problem", "path", "from", "commit", "installed")})
    lines(console, {"requires": ", ".join(told["requirements"]) or "nothing beyond what Limner has"})
    lines(console, {"host": "its own" if told["isolated"] else "shared with other packs"})
    lines(console, {"environment": told["environment"], "may": _may(told)})
    unknown = f"known once a server has loaded it; or see: limner packs check {told['name']}"
    lines(console, {"nodes": ", ".join(told["types"]) or ("none" if told["nodes"] == 0 else unknown)})


def _may(told: dict[str, Any]) -> str:
    """What it is permitted, and what of that it is held to, in words."""
    allowed = told["permissions"]
    if allowed is None:
        return "do everything that you may, as it declares no permissions" if told["isolated"] else ""
    said = [
        f"{'' if allowed['network'] else 'not '}reach the network",
        f"{'' if allowed['subprocess'] else 'not '}start programs",
        f"write its own files{''.join(f', {name}' for name in allowed['folders'])}, and nothing else",
    ]
    words = "; ".join(said)
    if not told["isolated"]:
        return f"{words} - which it is not held to, as it shares a host with others"
    if told["not_enforced"]:
        return f"{words} - this system does not keep it from {', '.join(told['not_enforced'])}"
    return f"{words} - the system holds it to that"


def _environment(pack: InstalledPack, settings: Settings) -> str:
    """Where the environment of a pack with a host of its own is."""
    from limner.app.pack_hosts import environment_of, own_hosts

    host = next((host for host in own_hosts(folders_of(settings)) if host.path == pack.path), None)
    if host is None:
        return ""
    return str(host.environment) if environment_of(host) else "made when the server starts next"


@with_places
def check(
    pack: Annotated[
        str,
        typer.Argument(help="A pack's name, or a folder or .py file that is not installed yet.", show_default=False),
    ],
    network: Annotated[bool, typer.Option("--network", help="Let it reach the network.")] = False,
    complete: Annotated[
        bool, typer.Option("--with-requirements", help="Bring what it requires first, for the check alone.")
    ] = False,
    json: AsJson = False,
    *,
    settings: Settings,
) -> None:
    """Try a pack without trusting it: import a copy in a process of its own; say what it needs, does and lacks."""
    from limner.packs.checking import check as do_check
    from limner.packs.installed import find
    from limner.packs.sources import check as check_files
    from limner.packs.trying import surroundings_for

    with problems():
        places = places_of(settings)
        path = Path(pack).expanduser().resolve() if Path(pack).exists() else find(places, pack).path
        check_files(path)
        tell = (lambda text: None) if json else say
        if complete:
            tell(f"bringing what {path.name} requires")
        with surroundings_for(path) if complete else nullcontext(_installed_for(path, places, settings)) as there:
            tell(f"importing {path.name}")
            report = do_check(path, network=network, packages=there.packages, python=there.python)
    if json:
        import msgspec

        as_json(msgspec.to_builtins(report) | {"loads": report.loads})
    else:
        print_report(output(), report)
    if not report.loads:
        unmet = not complete and not all(wanted.met for wanted in report.requirements)
        remedy = "Try it with what it requires: --with-requirements" if unmet else "See above what keeps it from that"
        raise CommandFailed(f"{report.name} does not load as it should", remedy)


def _installed_for(pack: Path, places: Places, settings: Settings) -> Surroundings:
    """The packages that it has when it is loaded: those of its own environment, or those of all packs."""
    from limner.app.pack_hosts import environment_of, own_hosts
    from limner.packs.records import read_records
    from limner.packs.trying import Surroundings

    for host in own_hosts(folders_of(settings)):
        if host.path == pack:
            python = environment_of(host)
            return Surroundings() if python is None else Surroundings(python=python)
    packages = read_records(places.home).packages if places.home.is_dir() else ""
    return Surroundings(places.packages / packages if packages else None)


def _plain(text: str) -> str:
    """Text that a table does not take for markup."""
    from rich.markup import escape

    return escape(text)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _listed(name: str, settings: Settings, unknown: UnknownPack, *, json: bool) -> None:
    """What the registry says. Raises the error where it knows no such pack either."""
    from dataclasses import asdict

    from limner.packs.errors import BadSource, UnknownPack
    from limner.packs.registry import Registry

    try:
        listing = Registry(settings.pack_registry).listing(name)
    except UnknownPack:
        raise unknown from None
    except BadSource as error:
        raise CommandFailed(f"{unknown.problem} here, and {error.problem}", unknown.remedy) from None
    if json:
        as_json(asdict(listing))
        return
    console = output()
    console.print(listing.name or listing.id, style="bold", markup=False, end="")
    console.print(f"  {listing.latest}  not installed", markup=False)
    console.print(listing.description, markup=False)
    told = {"by": listing.publisher, "repository": listing.repository, "requires": ", ".join(listing.dependencies)}
    lines(console, {**told, "get it": f"limner packs install {listing.id}"})
