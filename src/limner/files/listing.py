"""Lists of the files below folders: always fresh, and cheap when nothing changed.

A list is kept with the modification times of all directories that it was read from, and read again as soon as one of
them differs: adding, removing or renaming a file changes the time of its directory. A directory that changed so
recently that a further change might not show in its time is not trusted.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SETTLED = 2_000_000_000
"""Nanoseconds after which a directory's time is taken to be final: the coarsest clock of a file system in use."""
_HIDDEN = frozenset({".git"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files below some folders, as relative paths; `directories` are their times, -1 where there is none."""

    files: tuple[str, ...]
    directories: Mapping[str, int]
    settled: bool

    def fresh(self) -> bool:
        return self.settled and all(_modified(path) == seen for path, seen in self.directories.items())


@dataclass(slots=True)
class Listing:
    """Remembers snapshots by their folders. Safe to use from many threads."""

    _known: dict[tuple[str, ...], Snapshot] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def files(self, folders: Sequence[Path], *, recursive: bool = True) -> tuple[str, ...]:
        """Every file below the folders, sorted, each once; symbolic links are followed."""
        key = (*map(str, folders), "recursive" if recursive else "flat")
        with self._lock:
            snapshot = self._known.get(key)
        if snapshot is None or not snapshot.fresh():
            snapshot = _read(folders, recursive)
            with self._lock:
                self._known[key] = snapshot
        return snapshot.files


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1


def _read(folders: Sequence[Path], recursive: bool) -> Snapshot:
    now = time.time_ns()
    files: set[str] = set()
    directories: dict[str, int] = {}
    for folder in folders:
        waiting: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(str(folder), "", frozenset())]
        while waiting:
            path, prefix, above = waiting.pop()
            try:
                status = os.stat(path)
                directories[path] = status.st_mtime_ns
                entries = list(os.scandir(path))
            except OSError:  # vanished, unreadable, or not a directory
                directories.setdefault(path, -1)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in above:  # a link back to a directory that we are in
                continue
            for entry in entries:
                if not _is_directory(entry):
                    if recursive or _is_file(entry):
                        files.add(prefix + entry.name)
                elif recursive and entry.name not in _HIDDEN:
                    waiting.append((entry.path, f"{prefix}{entry.name}{os.sep}", above | {identity}))
    settled = all(seen < now - _SETTLED for seen in directories.values())
    return Snapshot(tuple(sorted(files)), directories, settled)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
