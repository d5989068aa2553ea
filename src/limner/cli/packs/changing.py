"""Commands that change which packs there are, and how they run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from ..console import errors, output
from ..errors import BadInput
from ..session import or_bad_input
from .common import Name, Names, folders_of, places_of, problems, say, with_places, working

if TYPE_CHECKING:
    from limner.packs.installing import Outcome
    from limner.packs.updating import Updated


@with_places
def new(
    name: Annotated[str, typer.Argument(help="What the pack is called: its folder's name.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option("--in", help="Write it into this folder, instead of where packs are loaded from.")
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Write a pack to begin with: two nodes, their tests, and what a registry wants to know."""
    from limner.packs.scaffold import scaffold

    with problems():
        home = folder or places_of(settings).home
        home.mkdir(parents=True, exist_ok=True)
        for file in scaffold(home, name):
            output().print(str(file), markup=False)
    _say("Its nodes are in nodes.py; each time that it is saved they are loaded anew by: limner serve --reload")
    if folder is not None:
        _say(f"Have it loaded from there with: limner packs install {folder / name}")


@with_places
def install(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, .py files, archives (zip, tar), git URLs, names in the registry (NAME@VERSION), packs.lock.",
            show_default=False,
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="What to call the pack.")] = "",
    ref: Annotated[str, typer.Option("--ref", help="Branch, tag or commit of a git repository.")] = "",
    isolate: Annotated[
        bool | None,
        typer.Option("--isolate/--shared", help="In a host and an environment of its own, or with the other packs."),
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Install packs: all of them with what they require, or nothing at all."""
    from limner.packs.installing import Wish
    from limner.packs.installing import install as do_install
    from limner.packs.lockfile import is_lock, read_lock
    from limner.packs.registry import Registry
    from limner.packs.sources import source_of

    if len(sources) > 1 and name:
        raise BadInput("--name is the name of one pack", "Install them one by one")
    with working(settings) as places:
        wishes: list[Wish] = []
        pins: list[str] = []
        for text in sources:
            if is_lock(text):
                lock = read_lock(Path(text))
                wishes += lock.wishes
                pins += lock.packages
            else:
                wishes.append(Wish(source_of(text, ref), name, isolate))
        done = do_install(places, wishes, Registry(settings.pack_registry), say, pins)
    _tell(done)


def _tell(done: Sequence[Outcome]) -> None:
    """What was installed, and what is left to do."""
    for outcome in done:
        host = ", in a host of its own" if outcome.isolated else ""
        version = f" {outcome.fetched.version}" if outcome.fetched.version else ""
        output().print(f"{outcome.fetched.plain_name}{version} is in {outcome.path}{host}", markup=False)
        if outcome.has_script:
            script = f"cd {outcome.path} && {sys.executable} install.py"
            _say(
                f"It has an install.py, which was not run, as it may change anything. If it must be: {script}", "yellow"
            )
    came = next((outcome.packages for outcome in done if outcome.packages), ())
    if came:
        _say(f"With it came {', '.join(came)}")
    if not all(outcome.isolated for outcome in done):
        _say("A server that runs loads it once it is started again, or by itself with --reload.")
    if any(outcome.isolated for outcome in done):
        _say("A host of its own is started, and its environment made, when the server starts next.")


@with_places
def update(
    names: Annotated[list[str] | None, typer.Argument(help="Names of packs, as they are listed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All packs whose source is known.")] = False,
    ref: Annotated[str, typer.Option("--ref", help="To this branch, tag, commit or version.")] = "",
    *,
    settings: Settings,
) -> None:
    """Bring packs up to date from where they came: all that are named, or nothing at all."""
    from limner.packs.installed import find, installed
    from limner.packs.registry import Registry
    from limner.packs.updating import can_update
    from limner.packs.updating import update as do_update

    if bool(names) == everything:
        raise BadInput("which packs?", "Name them, or give --all")
    with working(settings) as places:
        chosen = [find(places, name) for name in names or ()]
        if everything:
            chosen = [pack for pack in installed(places) if can_update(places, pack)]
            if not chosen:
                _say("Nothing here came from elsewhere, so there is nothing to update.")
        for told in do_update(places, chosen, Registry(settings.pack_registry), say, ref):
            output().print(f"{told.pack.name}: {_news(told)}", markup=False)


def _news(told: Updated) -> str:
    if not told.changed:
        return "nothing new"
    named = told.before != told.after and told.before and told.after
    return f"{told.before} -> {told.after}" if named else "now as it is where it came from"


@with_places
def remove(names: Names, *, settings: Settings) -> None:
    """Delete packs, with all that is in their folders."""
    from limner.packs.installing import remove as do_remove

    with working(settings) as places:
        for pack in do_remove(places, names):
            output().print(f"{pack.name} is removed", markup=False)


@with_places
def enable(names: Names, *, settings: Settings) -> None:
    """Switch packs on, and let those in again that were quarantined because they had killed their hosts."""
    from limner.app.quarantine import Quarantine
    from limner.packs.installed import find
    from limner.packs.switching import enable as do_enable

    with working(settings) as places:
        for name in names:
            pack = find(places, name)
            if Quarantine(folders_of(settings)).release(pack.name):
                errors().print(
                    f"{pack.name} was quarantined; it is loaded when the server starts next.", style="dim", markup=False
                )
            output().print(f"{pack.name} is on: {do_enable(places, pack)}", markup=False)


@with_places
def disable(names: Names, *, settings: Settings) -> None:
    """Switch packs off: `.disabled` is put behind the name, as ComfyUI-Manager does."""
    from limner.packs.installed import find
    from limner.packs.switching import disable as do_disable

    with working(settings) as places:
        for name in names:
            pack = find(places, name)
            output().print(f"{pack.name} is off: {do_disable(places, pack)}", markup=False)


@with_places
def isolate(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Have it share a host with the other packs again.")] = False,
    *,
    settings: Settings,
) -> None:
    """Give a pack a host and an environment of its own."""
    from limner.packs.installed import find
    from limner.packs.switching import isolate as do_isolate

    with working(settings) as places:
        pack = find(places, name)
        do_isolate(places, pack, isolated=not off)
    how = "shares a host with the other packs" if off else "has a host and an environment of its own"
    output().print(f"{pack.name} {how}, once the server is started again", markup=False)


@with_places
def lock(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Packs beside whose code the versions of their own environments are written."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write there; packs.lock in the base directory without it.")
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Write down the exact versions of all packs and packages in packs.lock, which `limner packs install` takes.

    With names: write what the environment of each of these packs holds into a requirements.lock beside its code. It is
    obeyed when that environment is made, here or wherever the pack is installed.
    """
    from limner.files import write_atomic
    from limner.packs.installed import find
    from limner.packs.lockfile import FILE, locked, pin

    if names and to is not None:
        raise BadInput("--to is for the lock of all packs", "Leave it out, or the names")
    folders = folders_of(settings)
    environments = folders.user / "limner" / "packs"
    with working(settings) as places:
        if names:
            for pack in [find(places, name) for name in names]:
                written = or_bad_input(lambda pack=pack: pin(pack, environments))  # type: ignore[misc]
                output().print(str(written), markup=False)
                if not pack.isolated:
                    _shares(pack.name)
            return
        text, unknown = locked(places, environments)
    target = to or folders.base / FILE
    or_bad_input(lambda: write_atomic(target, text.encode()))
    output().print(str(target), markup=False)
    for pack in unknown:
        _say(f"Nobody knows where {pack.name} came from: take it along yourself", "yellow")


def _shares(name: str) -> None:
    _say(f"{name} shares a host: this holds once it has its own, by: limner packs isolate {name}", "yellow")


def _say(text: str, style: str = "dim") -> None:
    errors().print(text, style=style, markup=False)
