"""`packs.lock`: exactly which packs and packages there are, so that they can be had again elsewhere.

    limner = "0.1.0"
    python = "3.12.4"
    packages = ["color-matcher==0.6.0"]

    [[pack]]
    name = "ComfyUI-Something"
    source = "git"
    from = "https://example.com/ComfyUI-Something"
    ref = "1f0c3..."                     # the commit, or the registry's version
    digest = "5d41402abc4b2a76"          # of its Python files
    requirements = ["color-matcher"]

`packages` are what the packs that share a host have beyond Limner's own; an isolated pack has its own `environment`.
The latter can also be written into a `requirements.lock` beside the pack's code (`pin`), to be given away with it.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner import __version__
from limner.comfy.manifest import private_name, read_manifest
from limner.comfy.packs_versions import digest
from limner.files import write_atomic
from limner.plugins.environment import Wanted, is_built, overlay_of_this_process, requirements_in

from . import requirements
from .errors import BadSource
from .installed import InstalledPack, installed
from .installing import ENVIRONMENT_LOCK, Wish
from .places import Places
from .records import read_records, toml
from .sources import Source

FILE = "packs.lock"
HEAD = "# Written by `limner packs lock`; installed again by `limner packs install packs.lock`.\n"


@dataclass(frozen=True, slots=True)
class Locked:
    """What a lock file says: what to install, and the exact versions of the packages."""

    wishes: Sequence[Wish]
    packages: Sequence[str]
    python: str


def is_lock(text: str) -> bool:
    """Whether an argument of `install` is a lock file."""
    return text.endswith(".lock") and Path(text).is_file()


def locked(places: Places, environments: Path) -> tuple[str, list[InstalledPack]]:
    """The text of a lock of all packs that are on, and the packs of which nobody knows where they came from.

    `environments` is the folder of the isolated packs' own environments.
    """
    packs = [pack for pack in installed(places) if pack.enabled]
    top = {
        "limner": __version__,
        "python": platform.python_version(),
        "packages": requirements.pins_of(places, read_records(places.home).packages),
    }
    lines = [HEAD, *(f"{key} = {toml(value)}" for key, value in top.items())]
    for pack in packs:
        entries = _entry(pack, environments)
        lines += ["", "[[pack]]", *(f"{key} = {toml(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n", [pack for pack in packs if pack.source is None]


def read_lock(file: Path) -> Locked:
    """Raises `BadSource` for what is no lock file, and for packs in it that nobody can fetch."""
    try:
        said = tomllib.loads(file.read_text("utf-8"))
        wishes = [_wish(table) for table in said["pack"]]
        return Locked(wishes, tuple(map(str, said.get("packages", ()))), str(said.get("python", "")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadSource(f"{file} is no lock file: {error}", "Write one with: limner packs lock") from error


def _entry(pack: InstalledPack, environments: Path) -> dict[str, Any]:
    source = pack.source
    where = source.table() if source is not None else {}
    exact = pack.commit if source is not None and source.kind == "git" else pack.version
    known = {
        **where,
        "ref": exact if source is not None and source.kind in ("git", "registry") else where.get("ref"),
        "version": pack.version,
        "digest": digest(pack.path),
        "isolate": pack.isolated or None,
        "requirements": list(requirements.wanted_by(pack.path)),
        "environment": list(_environment(pack, environments)) if pack.isolated else None,
    }
    return {"name": pack.name, **{key: value for key, value in known.items() if value not in (None, "")}}


def pin(pack: InstalledPack, environments: Path) -> Path:
    """Write the exact versions of a pack's own environment beside its code, where they are obeyed; gives the file.

    Raises `BadSource` for a pack that is a single file, `Clash` where its requirements cannot be met.
    """
    if not pack.path.is_dir():
        raise BadSource(f"{pack.name} is a single file, beside which nothing can lie", "Make a folder of it")
    file = pack.path / ENVIRONMENT_LOCK
    versions = _built(pack, environments) or requirements.alone(pack.name, pack.path)
    write_atomic(file, "".join(f"{line}\n" for line in versions).encode())
    return file


def _environment(pack: InstalledPack, environments: Path) -> Sequence[str]:
    """What an isolated pack's environment holds: as is written beside its code, as it was built, or as it would be."""
    beside = requirements_in(pack.path / ENVIRONMENT_LOCK)
    return beside or _built(pack, environments) or requirements.alone(pack.name, pack.path)


def _built(pack: InstalledPack, environments: Path) -> Sequence[str]:
    """What is in its environment; nothing where that was made for other requirements, or not at all."""
    folder = environments / private_name(pack.name) / "environment"
    wanted = Wanted(tuple(requirements.wanted_by(pack.path)), read_manifest(pack.path).python)
    there = is_built(folder, wanted, overlay_of_this_process())
    return requirements_in(folder / ENVIRONMENT_LOCK) if there else ()


def _wish(table: Mapping[str, Any]) -> Wish:
    source = Source.recorded(table)
    if source is None:
        raise BadSource(f"the lock file does not say where {table['name']} comes from", "Take it out of the file")
    return Wish(
        source,
        name=str(table["name"]),
        isolate=True if table.get("isolate") else None,
        digest=str(table.get("digest", "")),
        environment=tuple(map(str, table.get("environment", ()))),
    )
