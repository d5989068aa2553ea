"""Installing and removing packs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from limner.comfy.manifest import read_manifest
from limner.comfy.packs_versions import digest

from . import requirements
from .errors import BadSource, PackExists, PackProblem
from .installed import InstalledPack, find, installed
from .places import DISABLED, RECORDS, Places
from .records import read_records
from .registry import Registry
from .sources import Fetched, Source, check, fetch
from .tracking import track
from .transaction import Change

INSTALL_SCRIPT = "install.py"
ENVIRONMENT_LOCK = "requirements.lock"
"""Beside a pack's code: exact versions for its own environment."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """A pack that is to be there. `name` and `isolate` None: as the pack says itself."""

    source: Source
    name: str = ""
    isolate: bool | None = None
    digest: str = ""
    """Of its code, where it must be this and no other (`lockfile`)."""
    environment: Sequence[str] = ()
    """Exact versions for an environment of its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was installed. `packages` are the versions that came with it, beyond Limner's own."""

    fetched: Fetched
    path: Path
    isolated: bool
    packages: Sequence[str] = ()

    @property
    def has_script(self) -> bool:
        """Whether it has an `install.py`, which is not run."""
        return (self.path / INSTALL_SCRIPT).is_file()


def install(
    places: Places, wishes: Sequence[Wish], registry: Registry, say: Say, pins: Sequence[str] = ()
) -> list[Outcome]:
    """All of them, or none; `pins` are versions that packages must have. Call it with the lock. Raises PackProblem."""
    with Change(places) as change:
        records = read_records(places.home)
        new: list[tuple[Wish, Fetched]] = []
        for wish in wishes:
            say(f"fetching {wish.source}")
            fetched = _there_already(places, wish) or fetch(wish.source, change.folder(), registry, wish.name)
            if fetched.path.parent != places.home:
                _must_be_free(places, fetched, [other for _, other in new])
                _must_be_that(fetched, wish)
            new.append((wish, fetched))
        before = set(requirements.pins_of(places, records.packages))
        outcomes = []
        for wish, fetched in new:
            isolated = isolated_by_itself(fetched.path) if wish.isolate is None else wish.isolate
            decided = {} if wish.isolate is None else {"isolate": wish.isolate}
            records = records.having(fetched.plain_name, **_record(fetched), **decided)
            if fetched.path.parent != places.home:
                track(fetched)
                change.move(fetched.path, places.home / fetched.name)
            outcomes.append(Outcome(fetched, places.home / fetched.name, isolated))
        say("resolving requirements")
        changing = {outcome.fetched.plain_name: (outcome.fetched.path, outcome.isolated) for outcome in outcomes}
        name = requirements.settled(places, change, changing, pins)
        change.write(places.home / RECORDS, replace(records, packages=name).written())
        say("putting it in place")
        change.commit()
    requirements.tidy(places, name)
    came = sorted(set(requirements.pins_of(places, name)) - before)
    return [outcome if outcome.isolated else replace(outcome, packages=came) for outcome in outcomes]


def remove(places: Places, names: Sequence[str]) -> list[InstalledPack]:
    """Delete packs, with all that is in their folders. Call it with the lock. Raises `UnknownPack`."""
    packs = [find(places, name) for name in names]
    with Change(places) as change:
        for folder in dict.fromkeys(pack.path.parent for pack in packs):
            _forget(places, change, folder, [pack for pack in packs if pack.path.parent == folder])
        change.commit()
    requirements.tidy(places, read_records(places.home).packages)
    return packs


def _forget(places: Places, change: Change, folder: Path, packs: Sequence[InstalledPack]) -> None:
    home = folder.parent if folder.name == DISABLED else folder
    records = read_records(home)
    for pack in packs:
        change.take_away(pack.path)
        records = records.without(pack.name)
    if home == places.home and records.packages:
        records = replace(records, packages=_fewer(places, change, records.packages, [pack.name for pack in packs]))
    change.write(home / RECORDS, records.written())


def _fewer(places: Places, change: Change, now: str, going: Sequence[str]) -> str:
    """The packages without those that only packs that go require; as they are, where that cannot be found out now."""
    try:
        return requirements.settled(places, change, {}, requirements.pins_of(places, now), going)
    except PackProblem:
        return now


def _there_already(places: Places, wish: Wish) -> Fetched | None:
    """A pack that lies where packs lie, to be looked after from now on."""
    path = Path(wish.source.place)
    if wish.source.kind not in ("folder", "file") or path.parent != places.home.resolve():
        return None
    pack = find(places, path.name)
    check(pack.path)
    source = pack.source or wish.source
    return Fetched(source, pack.path, pack.path.name, pack.version, pack.commit)


def _must_be_free(places: Places, fetched: Fetched, others: Sequence[Fetched]) -> None:
    for pack in installed(places):
        if pack.name.lower() == fetched.plain_name.lower():
            off = "" if pack.enabled else ", switched off"
            raise PackExists(
                f"there is a pack {pack.name} already{off}",
                f"Update it with: limner packs update {pack.name}, or name the new one with --name",
            )
    if (places.home / fetched.name).exists():
        raise PackExists(f"{places.home / fetched.name} is in the way", "Move it away, or choose a --name")
    if any(other.name.lower() == fetched.name.lower() for other in others):
        raise BadSource(f"two of them are called {fetched.name}", "Install them one by one, with --name")


def _must_be_that(fetched: Fetched, wish: Wish) -> None:
    if wish.digest and digest(fetched.path) != wish.digest:
        raise BadSource(
            f"{wish.source} is not what was locked", "It was changed since; lock it anew, or install it alone"
        )
    if wish.environment and fetched.path.is_dir():
        (fetched.path / ENVIRONMENT_LOCK).write_text("\n".join(wish.environment) + "\n", "utf-8")


def _record(fetched: Fetched) -> dict[str, object]:
    return {
        **fetched.source.table(),
        "version": fetched.version or None,
        "commit": fetched.commit or None,
        "installed": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def isolated_by_itself(pack: Path) -> bool:
    """Whether it says that it wants a host of its own. Raises PackProblem for a manifest that is none."""
    try:
        return read_manifest(pack).isolate
    except ValueError as error:
        raise PackProblem(str(error), "The pack's author must mend it") from error
