"""Bytes that go from one host to another through shared memory: slabs, files of a folder that lies in memory.

Rules, stated once:

- The server makes the folder and tells it to its hosts (`FOLDER_VARIABLE`). A host writes a value into a slab and says
  its name; another host maps the slab, privately: what it changes in it stays its own.
- Who has a slab mapped holds a shared lock on it for as long. The lock goes with its process, however that ends.
- The writer keeps slabs, as writing to memory that is there already takes a fifth of the time. It writes again to one
  that nobody has locked and whose last reader the server has told of (`ended`).
- Where there is no such folder, or no room in it, values travel over the socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "LIMNER_SHARED_MEMORY"
MEMORY = Path("/dev/shm")
SMALLEST = 64 * 2**10
"""Bytes of a value from which on it goes through shared memory."""
KEPT = 2**30
"""Bytes that slabs which are not in use may take, before they are given up."""
ROUND = 2**16

Part = bytes | memoryview


def make_folder() -> Path | None:
    """A folder in memory for one server and its hosts, which only this user may enter; None where there is none."""
    if not MEMORY.is_dir():
        return None
    try:
        return Path(tempfile.mkdtemp(prefix=f"limner-{os.getpid()}-", dir=MEMORY))
    except OSError as error:
        log.info("values go from host to host over sockets: %s", error)
        return None


@dataclass(slots=True)
class _Slab:
    path: Path
    fd: int
    size: int
    leased: bool = False
    """Whether it is on its way to a reader."""
    memory: mmap.mmap | None = None
    """As much of it as has been written before."""


class SharedPool:
    """The slabs that this process writes. Its methods may be called in any thread."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder, self._kept = folder, kept
        self._slabs: dict[str, _Slab] = {}
        self._numbers = itertools.count(1)
        self._lock = Lock()

    def write(self, parts: Sequence[Part], size: int) -> str | None:
        """Write the parts, `size` bytes in all; returns the slab's name, or None where there is no room."""
        slab = self._take(size)
        if slab is None:
            return None
        try:
            _write(slab, parts, size)
        except OSError as error:
            log.warning("no room in %s for %d bytes, which go over the socket: %s", self._folder, size, error)
            self._drop(slab)
            return None
        return slab.path.name

    def ended(self, names: Iterable[str]) -> None:
        """The readers of these slabs have mapped them, or never will."""
        with self._lock:
            for name in names:
                slab = self._slabs.get(name)
                if slab is not None:
                    slab.leased = False

    def close(self) -> None:
        for slab in list(self._slabs.values()):
            self._drop(slab)

    def _take(self, size: int) -> _Slab | None:
        """A slab of at least this size, leased: one that is free, or a new one."""
        with self._lock:
            free = sorted((slab for slab in self._slabs.values() if not slab.leased), key=lambda slab: slab.size)
            for slab in free:
                if size <= slab.size <= 4 * max(size, ROUND) and _unlocked(slab.fd):
                    slab.leased = True
                    return slab
            self._give_up(free)
            return self._new(size)

    def _new(self, size: int) -> _Slab | None:
        path = self._folder / f"{os.getpid()}-{next(self._numbers)}"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning("values go over the socket: %s", error)
            return None
        slab = self._slabs[path.name] = _Slab(path, fd, size + -size % ROUND, leased=True)
        return slab

    def _give_up(self, free: Sequence[_Slab]) -> None:
        """Keep no more than allowed of what is not in use; the largest go first."""
        kept = sum(slab.size for slab in free)
        for slab in reversed(free):
            if kept <= self._kept:
                return
            kept -= slab.size
            self._drop(slab)

    def _drop(self, slab: _Slab) -> None:
        """Who has it mapped keeps it."""
        self._slabs.pop(slab.path.name, None)
        with contextlib.suppress(OSError):
            os.close(slab.fd)
        slab.path.unlink(missing_ok=True)


def attach(folder: Path, name: str, size: int) -> mmap.mmap:
    """The first `size` bytes of a slab, to be changed at will by this process alone. Raises OSError, ValueError.

    The slab is locked for as long as the mapping, or a tensor in it, lives.
    """
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a slab")
    fd = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        mapped = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    except BaseException:
        os.close(fd)
        raise
    weakref.finalize(mapped, os.close, fd)
    return mapped


def _unlocked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def _write(slab: _Slab, parts: Sequence[Part], size: int) -> None:
    """All parts one after the other, from the start of the slab. Raises OSError.

    What has been written before is memory that is there for sure: it is written to as such, which is twice as fast.
    """
    again = slab.memory is not None and size <= len(slab.memory)
    at = 0
    for view in (memoryview(part) for part in parts if len(part)):
        if again and slab.memory is not None:
            _copy(view, slab.memory, at)
        else:
            _put(view, slab.fd, at)
        at += len(view)
    if not again:
        slab.memory = mmap.mmap(slab.fd, size)


def _put(view: memoryview, fd: int, at: int) -> None:
    while view:
        written = os.pwrite(fd, view, at)
        at, view = at + written, view[written:]


def _copy(view: memoryview, memory: mmap.mmap, at: int) -> None:
    import numpy  # where there are values of this size, it is there

    target = numpy.frombuffer(memory, numpy.uint8, len(view), at)
    numpy.copyto(target, numpy.frombuffer(view, numpy.uint8))
