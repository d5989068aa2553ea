"""The packs that are there, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.comfy.manifest import read_manifest
from limner.comfy.packs_imports import find_packs, pack_name

from . import git
from .errors import UnknownPack
from .places import DISABLED, Places
from .records import Records, read_records
from .sources import Source, version_of


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """`path` is its folder or `.py` file, with ` .disabled` behind it where it is switched off."""

    name: str
    path: Path
    enabled: bool = True
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Source | None:
        """Where it came from; None where nobody wrote it down and no clone tells."""
        recorded = Source.recorded(self.record)
        if recorded is None and (self.path / ".git").exists():
            origin = git.origin_of(self.path)
            return Source("git", origin) if origin else None
        return recorded

    @property
    def version(self) -> str:
        return version_of(self.path) or str(self.record.get("version", ""))

    @property
    def commit(self) -> str:
        return git.commit_of(self.path)

    @property
    def isolated(self) -> bool:
        """Whether it has a host of its own when it is on; a manifest that is none does not say so."""
        decided = self.record.get("isolate")
        try:
            return read_manifest(self.path).isolate if decided is None else bool(decided)
        except ValueError:
            return False

    @property
    def managed(self) -> bool:
        """Whether `limner packs` installed it, and sees to its requirements."""
        return Source.recorded(self.record) is not None


def installed(places: Places) -> list[InstalledPack]:
    """All packs, those that are switched off too, by name."""
    found = [pack for folder in places.packs for pack in _in(folder)]
    return sorted(found, key=lambda pack: (pack.name.lower(), not pack.enabled))


def find(places: Places, name: str) -> InstalledPack:
    """The pack of this name, one that is on before one that is off. Raises `UnknownPack`."""
    packs = installed(places)
    plain = name.removesuffix(".py")
    match = next((pack for pack in packs if pack.name == plain), None)
    match = match or next((pack for pack in packs if pack.name.lower() == plain.lower()), None)
    if match is None:
        near = [pack.name for pack in packs if plain.lower() in pack.name.lower()]
        remedy = f"Did you mean {' or '.join(near)}?" if near else "See what there is with: limner packs list"
        raise UnknownPack(f"there is no pack {name!r}", remedy)
    return match


def _in(folder: Path) -> Iterator[InstalledPack]:
    records = read_records(folder) if folder.is_dir() else Records()
    for path in find_packs([folder]):
        yield InstalledPack(pack_name(path), path, True, records.of(pack_name(path)))
    for parent in (folder, folder / DISABLED):
        for path in sorted(parent.glob("*") if parent.is_dir() else ()):
            off = path.name.endswith(DISABLED) if parent == folder else True
            if not off or path.name.startswith((".", "__")):
                continue
            inside = path.name.removesuffix(DISABLED)
            name = inside.removesuffix(".py") if path.is_file() else inside.partition("@")[0]
            if (path / "__init__.py").is_file() or (path.is_file() and inside.endswith(".py")):
                yield InstalledPack(name, path, False, records.of(name))
