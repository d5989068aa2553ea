"""Results on the disk, as the engine knows them. The hosts write them (see `journal`); this reads the indexes.

Two kinds of folder: `jobs/<key>`, of one unfinished job, and, where results are kept for later jobs too, `shared`. A
job finds what is in its own folder and what is shared. What is shared has a budget in bytes: over it, the pack that is
cheapest to make again for each byte goes first (see `worth`), but none that a running job holds. Folders of jobs go as
a whole, with their job.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from time import monotonic

from limner.engine.values import Fingerprint, Values

from .shelf import Pack, Shelf
from .worth import Worths

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between looks at what the hosts have written, while runs last."""


class DiskCache:
    """`engine.ports.Cache` over folders of packs."""

    def __init__(self, jobs: Path, shared: Path | Shelf | None = None, budget: int | None = None) -> None:
        """`budget` in bytes of the files in `shared`."""
        self._jobs = jobs
        self._budget = budget
        self._shared = Shelf(shared) if isinstance(shared, Path) else shared
        self._worths = Worths()
        self._shelves: dict[str, Shelf] = {}
        self._holds: dict[str, set[Fingerprint]] = {}
        self._looked = 0.0

    @property
    def bytes(self) -> int:
        """Of what is shared."""
        return 0 if self._shared is None else self._shared.size

    def get(self, fingerprint: Fingerprint) -> Values | None:
        for shelf in self._shelves.values():
            record = shelf.find(fingerprint)
            if record is not None:
                return record.values
        if self._shared is not None:
            pack, record = self._shared.pack_of(fingerprint), self._shared.find(fingerprint)
            if pack is not None and record is not None:
                self._use(pack)
                return record.values
        return None

    def put(self, fingerprint: Fingerprint, values: Values) -> Sequence[Fingerprint]:
        """The host that holds the values writes them by itself; what is over the budget goes."""
        if self._shared is not None and monotonic() - self._looked > LOOK:
            self._shrink()
        return ()

    def hold(self, run: str, fingerprints: Sequence[Fingerprint]) -> None:
        """`run` is the key of a job: what is in its folder is found from now on."""
        self._holds.setdefault(run, set()).update(fingerprints)
        if run not in self._shelves:
            self._shelves[run] = Shelf(self._jobs / run)
        self._shelves[run].refresh()
        self._look()

    def let_go(self, run: str) -> Sequence[Fingerprint]:
        self._holds.pop(run, None)
        self._shelves.pop(run, None)
        if self._shared is not None:
            self._shrink()
        return ()

    def forget(self, place: str) -> None:
        """A host is gone, or found something damaged: look at all that there is."""
        for shelf in self._shelves.values():
            shelf.refresh(again=True)
        if self._shared is not None:
            for pack in self._shared.refresh(again=True):
                self._use(pack)

    def clear(self) -> Sequence[Fingerprint]:
        """Nothing is held in a host for it, so that there is nothing to release."""
        if self._shared is not None:
            self._look()
            for pack in self._loose():
                self._remove(pack)
        return ()

    def _look(self) -> None:
        self._looked = monotonic()
        if self._shared is not None:
            for pack in self._shared.refresh():
                self._use(pack)

    def _use(self, pack: Pack) -> None:
        self._worths.use(str(pack.path), pack.seconds, pack.size)

    def _remove(self, pack: Pack) -> None:
        assert self._shared is not None
        self._worths.drop(str(pack.path))
        self._shared.remove(pack.path)

    def _loose(self) -> list[Pack]:
        """The shared packs that no run holds."""
        assert self._shared is not None
        held = {self._shared.pack_of(name) for names in self._holds.values() for name in names}
        return [pack for pack in self._shared.packs.values() if pack not in held]

    def _shrink(self) -> None:
        self._look()
        assert self._shared is not None
        over = self._shared.size - self._budget if self._budget is not None else 0
        if over <= 0:
            return
        loose = {str(pack.path): pack for pack in self._loose()}
        passed = []
        while over > 0 and loose:
            name = self._worths.least()
            pack = loose.pop(name, None)
            if pack is not None:
                over -= pack.size
                self._remove(pack)
            elif Path(name) in self._shared.packs:
                passed.append(self._shared.packs[Path(name)])
        for pack in passed:
            self._use(pack)


def prune(jobs: Path, keys: Collection[str]) -> None:
    """Delete the folders of jobs that are not among these."""
    try:
        folders = [entry for entry in jobs.iterdir() if entry.name not in keys]
    except OSError:
        return
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
