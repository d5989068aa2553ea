"""The packs: switched on, quarantined, and whether what they require is there. Their code is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from limner.comfy.manifest import read_manifest
from limner.files import Folders
from limner.packs.errors import PackProblem
from limner.packs.installed import InstalledPack, installed
from limner.packs.places import Places
from limner.packs.records import read_records
from limner.packs.requirements import wanted_by
from limner.settings import Settings

from ..quarantine import Quarantine
from .finding import Finding, noted, warned, well


def findings(settings: Settings, folders: Folders) -> Iterator[Finding]:
    places = Places.of(folders)
    try:
        packs = installed(places)
    except PackProblem as error:
        yield warned("packs", error.problem, error.remedy)
        return
    quarantined = Quarantine(folders).reasons()
    there = _packages(places)
    on = [pack for pack in packs if pack.enabled]
    unwell = 0
    for pack in on:
        found = list(_looked(pack, quarantined, there))
        unwell += bool(found)
        yield from found
    if not packs:
        yield noted("packs", "there are none", "Get one with: limner packs install SOURCE")
        return
    off = len(packs) - len(on)
    told = f"{len(on)} on, {off} off" if off else f"{len(on)} on"
    if unwell < len(on) or not on:
        names = ", ".join(pack.name for pack in on[:8]) + (", ..." if len(on) > 8 else "")
        yield well("packs", f"{told}{f': {names}' if names else ''}")


def _looked(pack: InstalledPack, quarantined: Mapping[str, str], there: Mapping[str, str]) -> Iterator[Finding]:
    what = f"pack {pack.name}"
    try:
        read_manifest(pack.path)
        wanted = wanted_by(pack.path)
    except (ValueError, PackProblem) as error:
        yield warned(what, f"its manifest cannot be read: {error}", "Mend that file")
        return
    if pack.name in quarantined:
        reason = quarantined[pack.name].removeprefix("it is quarantined, as ").partition("; let it in again")[0]
        remedy = f"See what it does with `limner packs check {pack.name}`, then: limner packs enable {pack.name}"
        yield warned(what, f"is left out: {reason}", remedy)
    if pack.isolated:
        return
    missing = [line for line in wanted if not met(line, there)]
    if missing:
        remedy = (
            f"limner packs install {pack.path} installs them beside it, or: pip install {' '.join(_names(missing))}"
        )
        if pack.managed:
            remedy = f"limner packs update {pack.name}"
        yield warned(what, f"requires what is not there: {', '.join(missing)}", remedy)


def met(line: str, there: Mapping[str, str]) -> bool:
    """Whether a line of requirements is met by these versions, by name; one that is no requirement is passed over."""
    try:
        wanted = Requirement(re.split(r"\s#", line)[0].strip())
    except InvalidRequirement:
        return True
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return True
    found = there.get(canonicalize_name(wanted.name))
    return found is not None and wanted.specifier.contains(found, prereleases=True)


def _packages(places: Places) -> Mapping[str, str]:
    """Versions of what a host of packs can import: Limner's own environment, and what was installed beside it."""
    name = read_records(places.home).packages if places.home.is_dir() else ""
    found = _versions(None)
    return {**_versions(places.packages / name), **found} if name else found


def _versions(folder: Path | None) -> dict[str, str]:
    found = distributions(path=[str(folder)]) if folder is not None else distributions()
    return {canonicalize_name(each.metadata["Name"]): each.version for each in found if each.metadata["Name"]}


def _names(lines: list[str]) -> list[str]:
    return [f"'{line}'" if re.search(r"[<>;\[ ]", line) else line for line in lines]
