"""A folder of packs, and which step is in which. Several processes may write and read the same folder.

Packs lie in subfolders, each with at most `CROWD` of them, so that looking for new ones costs a look at the subfolders
that changed. Damaged packs are deleted, with a warning.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from limner.engine.values import Fingerprint, Values

from .packfile import SUFFIX, DamagedPack, Parts, Record, read_index, read_value, write_pack

log = logging.getLogger(__name__)
CROWD = 256


@dataclass(slots=True, eq=False)
class Pack:
    """One file: `size` in bytes, and what is in it."""

    path: Path
    size: int
    start: int
    records: Sequence[Record] = field(repr=False)

    @property
    def seconds(self) -> float:
        """What it took to make all that is in it."""
        return sum(record.seconds for record in self.records)


class Shelf:
    """The packs of one folder, as they were at the last `refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packs: dict[Path, Pack] = {}
        self._steps: dict[Fingerprint, tuple[Pack, Record]] = {}
        self._seen: dict[str, int] = {}
        self._own: Path | None = None
        self._written = 0

    @property
    def size(self) -> int:
        return sum(pack.size for pack in self.packs.values())

    def refresh(self, *, again: bool = False) -> list[Pack]:
        """Look for packs of other processes; returns the new ones. `again`: also for what is gone."""
        if again:
            self._seen.clear()
            for path in [path for path in self.packs if not path.exists()]:
                self.forget(path)
        found = []
        for path in self._unseen():
            if path not in self.packs:
                pack = self._opened(path)
                if pack is not None:
                    found.append(pack)
        return found

    def _unseen(self) -> Iterator[Path]:
        """The packs in subfolders that have changed."""
        try:
            entries = [entry for entry in os.scandir(self.folder) if entry.is_dir()]
        except OSError:
            return
        for entry in entries:
            with contextlib.suppress(OSError):
                changed = os.stat(entry.path).st_mtime_ns
                if self._seen.get(entry.name) != changed:
                    self._seen[entry.name] = changed
                    yield from (Path(entry.path, name) for name in os.listdir(entry.path) if name.endswith(SUFFIX))

    def _opened(self, path: Path) -> Pack | None:
        try:
            start, records = read_index(path)
            return self._add(Pack(path, path.stat().st_size, start, records))
        except FileNotFoundError:
            return None
        except (DamagedPack, OSError, ValueError) as error:
            self._drop_damaged(path, error)
            return None

    def _add(self, pack: Pack) -> Pack:
        self.packs[pack.path] = pack
        for record in pack.records:
            self._steps[record.fingerprint] = (pack, record)
        return pack

    def find(self, fingerprint: Fingerprint) -> Record | None:
        found = self._steps.get(fingerprint)
        return None if found is None else found[1]

    def pack_of(self, fingerprint: Fingerprint) -> Pack | None:
        found = self._steps.get(fingerprint)
        return None if found is None else found[0]

    def read(self, fingerprint: Fingerprint) -> bytearray | None:
        """The encoded outputs of a step; None where they are not here, or (with a warning) not as they were written."""
        found = self._steps.get(fingerprint)
        if found is None:
            return None
        pack, record = found
        try:
            return read_value(pack.path, pack.start, record)
        except FileNotFoundError:
            self.forget(pack.path)
        except (DamagedPack, OSError) as error:
            self._drop_damaged(pack.path, error)
        return None

    def write(self, steps: Sequence[tuple[Values, Fingerprint, Parts]]) -> Pack:
        """Add a pack. Raises OSError."""
        if self._own is None or self._written >= CROWD:
            self._own, self._written = self.folder / secrets.token_hex(6), 0
        self._own.mkdir(parents=True, exist_ok=True)
        path = self._own / f"{secrets.token_hex(6)}{SUFFIX}"
        size = write_pack(path, steps)
        self._written += 1
        start, records = read_index(path)
        return self._add(Pack(path, size, start, records))

    def forget(self, path: Path) -> None:
        """The pack is gone."""
        pack = self.packs.pop(path, None)
        for record in pack.records if pack is not None else ():
            if self._steps.get(record.fingerprint, (None,))[0] is pack:
                del self._steps[record.fingerprint]

    def remove(self, path: Path) -> None:
        """Delete the pack."""
        self.forget(path)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def _drop_damaged(self, path: Path, error: Exception) -> None:
        log.warning("a kept result is lost and will be made again: %s", error)
        self.remove(path)
