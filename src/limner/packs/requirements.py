"""What packs require beyond what Limner has: resolved together, and laid into a folder of packages.

Rules, stated once:

- Everything that Limner's environment holds stays at its version; a requirement that needs another one cannot be met
  beside it, and a pack with such a requirement wants an environment of its own (`isolate`).
- The packs that share a host are resolved together: what comes out fits all of them.
- A set of packages is a folder of its own, named by what is in it. It is built beside its place, and never changed.
- Requirements of isolated packs are resolved here too, to know that they can be met; their environments are made when
  their hosts start.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from limner.comfy.manifest import read_manifest
from limner.plugins.environment import (
    EnvironmentProblem,
    Overlay,
    Wanted,
    compiled,
    has,
    overlay_of_this_process,
    pins_for,
    requirements_of,
    run_uv,
)

from .errors import Clash, PackProblem
from .installed import installed
from .places import Places, lock_of
from .transaction import Change, remove

LOCK = "limner-requirements.lock"
"""In a folder of packages: exactly what is in it."""
LONGEST = 400
"""Characters of uv's words that are shown."""
REMEDY = "Give it an environment of its own with --isolate, or change its requirements"


def wanted_by(pack: Path) -> tuple[str, ...]:
    """A pack's requirements, by its manifest or its own files. Raises PackProblem for a manifest that is none."""
    try:
        said = read_manifest(pack).requirements
    except ValueError as error:
        raise PackProblem(str(error), "Mend that file") from error
    return requirements_of(pack) if said is None else said


def settled(
    places: Places,
    change: Change,
    changing: Mapping[str, tuple[Path, bool]],
    pins: Sequence[str] = (),
    going: Collection[str] = (),
) -> str:
    """The packages of all packs that are on, as a folder's name.

    `changing` are packs that will be on, or will be others: where their files are, and whether they are isolated;
    `going` are packs that will not be there. `pins` are versions that packages must have. Raises `Clash`.
    """
    wanted: dict[str, Sequence[str]] = {}
    for pack in installed(places):
        stays = pack.name not in changing and pack.name not in going
        if stays and pack.enabled and pack.managed and not pack.isolated:
            wanted[pack.name] = wanted_by(pack.path)
    for name, (path, isolated) in changing.items():
        if isolated:
            alone(name, path)
        else:
            wanted[name] = wanted_by(path)
    return laid_out(places, change, resolve(wanted, tuple(changing), pins))


def resolve(wanted: Mapping[str, Sequence[str]], new: Sequence[str] = (), pins: Sequence[str] = ()) -> tuple[str, ...]:
    """Exact versions, `pins` among them, of what these packs need beyond Limner's own. `new` are those that just came.

    Raises `Clash`, which names the pack that cannot be had and what it clashes with.
    """
    overlay = overlay_of_this_process()
    lines = [line for requirements in wanted.values() for line in requirements]
    if not lines:
        return ()
    try:
        return _beyond(_compiled(lines, overlay, pins), overlay)
    except EnvironmentProblem as error:
        raise _explained(wanted, new, overlay, error) from error


def alone(name: str, pack: Path) -> tuple[str, ...]:
    """Exact versions of what a pack would have in an environment of its own. Raises `Clash` where there are none."""
    lines, python = wanted_by(pack), read_manifest(pack).python
    try:
        pins = pins_for(Wanted(tuple(lines), python), overlay_of_this_process())
    except EnvironmentProblem as error:
        raise Clash(f"the requirements of {name} cannot be met: {_short(error)}", "Change its requirements") from error
    return tuple(line for line in map(str.strip, pins.splitlines()) if line)


def laid_out(places: Places, change: Change, pins: Sequence[str]) -> str:
    """The name of the folder with these packages, which is planned where it is not there yet. Raises `Clash`."""
    if not pins:
        return ""
    version = ".".join(map(str, sys.version_info[:2]))
    name = hashlib.blake2b("\n".join([version, sys.platform, *pins]).encode(), digest_size=8).hexdigest()
    if not (places.packages / name / LOCK).is_file():
        folder = change.folder()
        command = ["pip", "install", "--quiet", "--no-deps", "--target", str(folder), "--python", sys.executable]
        try:
            run_uv([*command, "-r", "-"], "the requirements cannot be installed", text="\n".join(pins))
        except EnvironmentProblem as error:
            raise Clash(_short(error), error.remedy) from error
        (folder / LOCK).write_text("\n".join(pins) + "\n")
        if (places.packages / name).exists():
            change.take_away(places.packages / name)
        change.move(folder, places.packages / name)
    return name


def pins_of(places: Places, name: str) -> tuple[str, ...]:
    """What is in a folder of packages."""
    try:
        return tuple((places.packages / name / LOCK).read_text().splitlines()) if name else ()
    except OSError:
        return ()


def tidy(places: Places, name: str) -> None:
    """Delete the sets of packages that nobody names and no host uses."""
    if not places.packages.is_dir():
        return
    for folder in places.packages.iterdir():
        if folder.name != name:
            with lock_of(folder) as unused:
                if unused:
                    remove(folder)
    with suppress(OSError):
        os.rmdir(places.packages)


def _compiled(lines: Sequence[str], overlay: Overlay, pins: Sequence[str] = ()) -> str:
    own = [f"{name}=={version.split('+')[0]}" for name, version in sorted(overlay.versions.items())]
    return compiled(lines, [*own, *pins], Path(sys.executable))


def _beyond(pins: str, overlay: Overlay) -> tuple[str, ...]:
    return tuple(sorted(line for line in map(str.strip, pins.splitlines()) if line and not has(overlay, line)))


def _explained(
    wanted: Mapping[str, Sequence[str]], new: Sequence[str], overlay: Overlay, error: EnvironmentProblem
) -> Clash:
    """Which pack it is, and what it clashes with: Limner itself, or another pack."""
    guilty = [name for name in (*new, *(other for other in wanted if other not in new)) if name in wanted]
    for name in guilty:
        try:
            _compiled(wanted[name], overlay)
        except EnvironmentProblem as alone:
            return Clash(f"the requirements of {name} cannot be met beside Limner's own: {_short(alone)}", REMEDY)
    for name in guilty:
        for other in (other for other in wanted if other != name and wanted[other]):
            try:
                _compiled([*wanted[name], *wanted[other]], overlay)
            except EnvironmentProblem as both:
                return Clash(f"the requirements of {name} clash with those of {other}: {_short(both)}", REMEDY)
    return Clash(f"the requirements of the packs clash: {_short(error)}", REMEDY)


def _short(error: EnvironmentProblem) -> str:
    """uv's own words, which may be a whole traceback of a build."""
    words = str(error).removeprefix("its requirements cannot be resolved: ").removeprefix("error: ")
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
