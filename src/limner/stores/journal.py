"""What a host writes down as it works, so that a job that is interrupted goes on from there.

    journal = Journal(folder / "jobs", shared=None)
    journal.open(key)                      # a job begins, or goes on
    journal.record(key, fingerprint, outputs, values, bound=True)
    journal.find(fingerprint)              # the outputs of a step, or None
    journal.once(key, name, decide)        # decide(), or what was decided in an earlier attempt of the job
    journal.tape(key, name)                # what a long call did so far
    journal.close_job(key, keep=False)     # the job has ended; `keep`: it will go on another time

Steps are written in the background, by one thread, gathered into packs; what could change meanwhile is copied first,
unless it is large. A step goes to the folder of its job; where there is a shared one it goes there, unless it is
`bound` to its job (it has effects, or must not be taken by another). When the disk is full, or fails, nothing is kept:
one warning, and another attempt half a minute later.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from limner.engine.values import Fingerprint, Values

from .codec import Unwritable, decode, encode
from .packfile import Parts
from .shelf import Shelf
from .tape import FileTape, append, read

log = logging.getLogger(__name__)

UNCHANGING = frozenset({bool, int, float, str, bytes, type(None)})
"""Types of items that need no copy."""
PAUSE = 0.02
"""Seconds for which steps are gathered."""
LARGE = 64 * 2**20
"""Bytes of a step from which on it is written from where it is, not copied."""
MOST = 512 * 2**20
"""Bytes that may wait to be written; what comes on top is not kept."""
PACK = 16 * 2**20
"""Bytes of a pack, about."""
RETRY = 30.0
"""Seconds after which a disk that failed is tried again."""


@dataclass(frozen=True, slots=True)
class _Discard:
    """The job has ended: what was bound to it goes."""

    key: str


@dataclass(frozen=True, slots=True)
class _Step:
    key: str
    bound: bool
    fingerprint: Fingerprint
    values: Values
    outputs: Sequence[Sequence[object]]
    parts: Parts | None
    size: int


_Work: TypeAlias = _Step | _Discard | Callable[[], object]


class Journal:
    """Folders of packs, claims and tapes, and the thread that writes them. Its methods may be called in any thread."""

    def __init__(self, jobs: Path, shared: Path | Shelf | None = None, *, pause: float = PAUSE) -> None:
        self._jobs, self._pause = jobs, pause
        self._shared = Shelf(shared) if isinstance(shared, Path) else shared
        self._open: dict[str, Shelf] = {}
        self._lock = threading.RLock()
        self._waiting: deque[_Work] = deque()
        self._bytes = 0
        self._unwritten: set[Path] = set()
        """Tapes that may have additions on their way."""
        self._wake = threading.Event()
        self._over = False
        self._broken_at: float | None = None
        self._thread = threading.Thread(target=self._serve, name="limner-journal", daemon=True)
        self._thread.start()

    def open(self, key: str) -> None:
        with self._lock:
            if key not in self._open:
                self._open[key] = Shelf(self._jobs / key)

    def record(
        self, key: str, fingerprint: Fingerprint, outputs: Sequence[Sequence[object]], values: Values, *, bound: bool
    ) -> None:
        """Write down what a step gave, if it can be written."""
        size = sum(handle.size for handle in values.handles)
        if self._bytes > MOST:
            log.debug("step %s is not kept: too much waits to be written", fingerprint)
            return
        parts = None
        if size < LARGE and not all(type(item) in UNCHANGING for items in outputs for item in items):
            try:
                parts = encode(outputs)
            except Unwritable:
                return
        self._bytes += size
        self._add(_Step(key, bound or self._shared is None, fingerprint, values, outputs, parts, size))

    def find(self, fingerprint: Fingerprint) -> list[list[object]] | None:
        """The outputs of a step that is in a folder of an open job, or shared."""
        with self._lock:
            shelves = [*self._open.values(), *([self._shared] if self._shared is not None else [])]
            for shelf in shelves:
                if shelf.find(fingerprint) is None:
                    shelf.refresh()
                data = shelf.read(fingerprint)
                if data is not None:
                    return decode(data)
        return None

    def once(self, key: str, name: str, decide: Callable[[], object]) -> tuple[object, bool]:
        """JSON that is decided once in a job, and whether it was decided before."""
        path = self._path(key, "once", name)
        try:
            return json.loads(path.read_bytes()), True
        except (OSError, ValueError):
            decision = decide()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
            temporary.write_text(json.dumps(decision))
            os.replace(temporary, path)
        except OSError as error:
            self._failed(error)
        return decision, False

    def tape(self, key: str, name: str) -> FileTape:
        return FileTape(self._path(key, "tape", name), self._read_tape, self._append)

    def close_job(self, key: str, *, keep: bool = False) -> None:
        with self._lock:
            self._open.pop(key, None)
        if not keep:
            self._add(_Discard(key))

    def _append(self, path: Path, frames: list[bytes]) -> None:
        self._unwritten.add(path)
        self._add(lambda: self._try(lambda: append(path, frames)))

    def _read_tape(self, path: Path) -> list[object]:
        if path in self._unwritten:
            self.flush()
            self._unwritten.discard(path)
        return read(path)

    def flush(self) -> None:
        """Wait until all that was recorded so far is written."""
        done = threading.Event()
        self._add(done.set)
        done.wait()

    def close(self) -> None:
        """Write what waits, and end."""
        self._over = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _path(self, key: str, kind: str, name: str) -> Path:
        return self._jobs / key / f"{kind}-{blake2b(name.encode(), digest_size=12).hexdigest()}"

    def _add(self, work: _Work) -> None:
        self._waiting.append(work)
        self._wake.set()

    def _serve(self) -> None:
        while not self._over or self._waiting:
            self._wake.wait()
            if not self._over:
                threading.Event().wait(self._pause)
            self._wake.clear()
            self._write_all()

    def _write_all(self) -> None:
        """What waits, in order; steps that come one after the other share packs."""
        work: list[_Work] = []
        while self._waiting:
            work.append(self._waiting.popleft())
        dropped = {item.key for item in work if isinstance(item, _Discard)}
        steps: list[_Step] = []
        size = 0
        for item in work:
            if isinstance(item, _Step):
                self._bytes -= item.size
                if not (item.bound and item.key in dropped):
                    steps.append(item)
                    size += item.size
                if size < PACK:
                    continue
            self._write(steps)
            steps, size = [], 0
            if isinstance(item, _Discard):
                shutil.rmtree(self._jobs / item.key, ignore_errors=True)
            elif not isinstance(item, _Step):
                item()
        self._write(steps)

    def _write(self, steps: Sequence[_Step]) -> None:
        """One pack for each folder."""
        folders: dict[str | None, list[tuple[Values, Fingerprint, Parts]]] = {}
        for step in steps:
            try:
                parts = encode(step.outputs, copy=False) if step.parts is None else step.parts
            except Unwritable:
                continue
            folders.setdefault(step.key if step.bound else None, []).append((step.values, step.fingerprint, parts))
        for key, packed in folders.items():
            self._try(lambda key=key, packed=packed: self._shelf(key).write(packed))  # type: ignore[misc]

    def _shelf(self, key: str | None) -> Shelf:
        with self._lock:
            if key is None:
                assert self._shared is not None
                return self._shared
            return self._open.get(key) or Shelf(self._jobs / key)

    def _try(self, work: Callable[[], object]) -> None:
        """Write, unless that failed a moment ago."""
        if self._broken_at is not None and monotonic() - self._broken_at < RETRY:
            return
        try:
            work()
            self._broken_at = None
        except (OSError, ValueError, TypeError, OverflowError) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self._broken_at is None:
            log.warning("results are kept in memory only, as %s cannot be written: %s", self._jobs, error)
        self._broken_at = monotonic()
