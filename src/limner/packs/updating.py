"""Newer versions of packs, from where they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import git, requirements
from .errors import BadSource, PackProblem
from .installed import InstalledPack
from .installing import ENVIRONMENT_LOCK, Say, isolated_by_itself
from .places import DISABLED, RECORDS, Places
from .records import read_records
from .registry import Registry
from .sources import Fetched, Source, fetch, version_of
from .tracking import carry_over, copy_clone, same, track
from .transaction import Change


@dataclass(frozen=True, slots=True)
class Updated:
    """`before` and `after` are what it is known by: version and commit, as far as there are any."""

    pack: InstalledPack
    before: str
    after: str
    changed: bool


def can_update(places: Places, pack: InstalledPack) -> bool:
    """Whether a pack is on, ours, and came from somewhere else."""
    source = pack.source
    return pack.enabled and _is_ours(places, pack) and source is not None and not _is_itself(pack, source)


def _is_ours(places: Places, pack: InstalledPack) -> bool:
    return pack.path.parent in (places.home, places.home / DISABLED)


def _is_itself(pack: InstalledPack, source: Source) -> bool:
    return source.kind in ("folder", "file") and Path(source.place) == pack.path.resolve()


def update(
    places: Places, packs: Sequence[InstalledPack], registry: Registry, say: Say, ref: str = ""
) -> list[Updated]:
    """All of them, or none; to `ref`, a branch, tag, commit or version. Call it with the lock. Raises PackProblem."""
    for pack in packs:
        if not _is_ours(places, pack):
            raise BadSource(f"{pack.name} is in {pack.path.parent}, which is another's", "Update it there")
    with Change(places) as change:
        records = read_records(places.home)
        changing = {}
        told = []
        for pack in packs:
            say(f"looking for what is new of {pack.name}")
            fetched = _newer(pack, change, registry, ref)
            before, after = _known(pack.version, pack.commit), _known(fetched.version, fetched.commit)
            told.append(Updated(pack, before, after, before != after or not same(pack.path, fetched.path)))
            change.take_away(pack.path)
            change.move(fetched.path, pack.path)
            known = {"version": fetched.version or None, "commit": fetched.commit or None}
            records = records.having(pack.name, **fetched.source.table(), **known)
            if pack.enabled:
                changing[pack.name] = (fetched.path, _isolated(pack, fetched))
            _unpin(pack, fetched)
        if not any(entry.changed for entry in told):
            return told
        say("resolving requirements")
        name = requirements.settled(places, change, changing)
        change.write(places.home / RECORDS, replace(records, packages=name).written())
        say("putting it in place")
        change.commit()
    requirements.tidy(places, name)
    return told


def _isolated(pack: InstalledPack, fetched: Fetched) -> bool:
    """As its user decided, or else as its new state says."""
    decided = pack.record.get("isolate")
    return isolated_by_itself(fetched.path) if decided is None else bool(decided)


def _unpin(pack: InstalledPack, fetched: Fetched) -> None:
    """Versions that were written down for other requirements than the new ones are no longer of use."""
    old, new = pack.path / ENVIRONMENT_LOCK, fetched.path / ENVIRONMENT_LOCK
    if not (old.is_file() and new.is_file()) or old.read_bytes() != new.read_bytes():
        return
    if requirements.wanted_by(pack.path) != requirements.wanted_by(fetched.path):
        new.unlink()


def _newer(pack: InstalledPack, change: Change, registry: Registry, ref: str) -> Fetched:
    """The pack's new state, made ready, with what in the old one is the user's."""
    source = pack.source
    if source is None or _is_itself(pack, source):
        raise BadSource(f"nobody knows where {pack.name} came from", "Remove it, and install it from somewhere")
    folder = change.folder()
    if source.kind == "git" and (pack.path / ".git").exists():
        return _pulled(pack, replace(source, ref=ref) if ref else source, folder, ref)
    wanted = replace(source, ref=ref if source.kind in ("git", "registry") else source.ref)
    try:
        fetched = fetch(wanted, folder, registry, pack.name)
    except PackProblem as error:
        raise BadSource(f"{pack.name}: {error.problem}", error.remedy) from error
    track(fetched)
    if pack.path.is_dir():
        carry_over(pack.path, fetched.path)
    return fetched


def _pulled(pack: InstalledPack, source: Source, folder: Path, ref: str) -> Fetched:
    clone = folder / "clone"
    copy_clone(pack.path, clone)
    try:
        git.update(clone, ref)
    except BadSource as error:
        raise BadSource(f"{pack.name}: {error.problem}", error.remedy) from error
    return Fetched(source, clone, pack.name, version_of(clone), git.commit_of(clone))


def _known(version: str, commit: str) -> str:
    return " ".join(part for part in (version, commit[:10]) if part)
