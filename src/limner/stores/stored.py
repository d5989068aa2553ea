"""A shelf whose packs lie in a store as well: any place that fsspec reaches, for several machines.

    shelf = StoredShelf(folder, "s3://bucket/limner/cache")

Rules, stated once:

- A pack that is written here is sent to the store, in the background. What the store has is asked for every
  `LOOK` seconds, and of each new pack only the index is read, so that one knows what is in it.
- A pack is fetched into the folder, whole, when a value of it is asked for. From then on it is one of the folder's.
- What goes from the folder stays in the store: how long, is the matter of the store's own rules.
- A store that fails costs what it would have given, and is told once.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from limner.engine.values import Fingerprint, Values

from .packfile import SUFFIX, DamagedPack, Parts, index_of
from .shelf import Pack, Shelf

log = logging.getLogger(__name__)

LOOK = 5.0
UNFETCHED = 1
"""Bytes that a pack counts that only the store has."""


class StoredShelf(Shelf):
    """What is written in one machine's is found in all others'."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self._address = address
        self._files: Any = None
        self._root = ""
        self._noticed: queue.SimpleQueue[Pack] = queue.SimpleQueue()
        self._seen_there: set[str] = set()
        self._unfetched: set[Path] = set()
        self._work: queue.Queue[Path] = queue.Queue()
        self._failed = False
        threading.Thread(target=self._serve, name="limner-store", daemon=True).start()

    def refresh(self, *, again: bool = False) -> list[Pack]:
        fetched = [path for path in self._unfetched if path.exists()]
        for path in fetched:  # by another process of this machine
            self._unfetched.discard(path)
            self.packs[path] = replace(self.packs[path], size=path.stat().st_size)
            self._add(self.packs[path])
        kept = [self.packs[path] for path in self._unfetched if path in self.packs] if again else []
        found = super().refresh(again=again)
        for pack in kept:
            self._unfetched.add(pack.path)
            self._add(pack)
        while not self._noticed.empty():
            pack = self._noticed.get()
            fresh = any(self.find(record.fingerprint) is None for record in pack.records)
            if fresh and pack.path not in self.packs:
                self._unfetched.add(pack.path)
                found.append(self._add(pack))
        return found

    def read(self, fingerprint: Fingerprint) -> bytearray | None:
        pack = self.pack_of(fingerprint)
        if pack is not None and pack.path in self._unfetched and not pack.path.exists():
            self._attempt(lambda: self._fetch(pack.path))
            if not pack.path.exists():
                self.forget(pack.path)
                self._seen_there.discard(self._name(pack.path))
        return super().read(fingerprint)

    def write(self, steps: Sequence[tuple[Values, Fingerprint, Parts]]) -> Pack:
        pack = super().write(steps)
        self._seen_there.add(self._name(pack.path))
        self._work.put(pack.path)
        return pack

    def forget(self, path: Path) -> None:
        self._unfetched.discard(path)
        super().forget(path)

    def flush(self) -> None:
        """Wait until all that was written is in the store, or has failed to get there."""
        self._work.join()

    # The store

    def _serve(self) -> None:
        while True:
            self._attempt(self._look)
            while True:
                try:
                    path = self._work.get(timeout=LOOK)
                except queue.Empty:
                    break
                self._attempt(lambda path=path: self._send(path))  # type: ignore[misc]
                self._work.task_done()

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            if self._files is None:
                import fsspec

                self._files, self._root = fsspec.core.url_to_fs(self._address)
            work()
            self._failed = False
        except Exception as error:  # each store has errors of its own
            if not self._failed:
                log.warning("results are not shared: the store %s does not do: %s", self._address, error)
            self._failed = True

    def _name(self, path: Path) -> str:
        """What a pack is called in the store."""
        return path.relative_to(self.folder).as_posix()

    def _look(self) -> None:
        try:
            found = self._files.find(self._root, detail=True, refresh=True)
        except FileNotFoundError:
            return
        for there, about in found.items():
            name = there.removeprefix(self._root).lstrip("/")
            if name.endswith(SUFFIX) and name not in self._seen_there:
                self._seen_there.add(name)
                path = self.folder / name
                if not path.exists():
                    self._notice(there, path, int(about["size"]))

    def _notice(self, there: str, path: Path, size: int) -> None:
        try:
            with self._files.open(there, "rb") as file:
                start, records = index_of(file, size, path)
        except DamagedPack as error:
            log.warning("a result in the store cannot be used: %s", error)
            return
        self._noticed.put(Pack(path, UNFETCHED, start, records))

    def _send(self, path: Path) -> None:
        there = f"{self._root}/{self._name(path)}"
        self._files.makedirs(there.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(path), f"{there}.part")
        self._files.mv(f"{there}.part", there)

    def _fetch(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            self._files.get_file(f"{self._root}/{self._name(path)}", str(part))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
