"""A file that a long call adds to as it goes on: frames of length, digest and an encoded item.

What is at the end of a file that was cut off is passed over.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from .codec import decode, encode
from .packfile import DIGEST, Parts, digest_of

log = logging.getLogger(__name__)
INTERVAL = 2.0
"""Seconds between additions to the file."""
FRAME = struct.Struct(f"<Q{DIGEST}s")


def frame(parts: Parts) -> bytes:
    """One encoded item as it stands in the file."""
    return FRAME.pack(sum(len(part) for part in parts), digest_of(parts)) + b"".join(parts)


def append(path: Path, frames: list[bytes]) -> None:
    """Add frames and wait for the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(frames)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[object]:
    """The items, up to the first that is not whole; the file is cut off there, so that it can be added to."""
    items: list[object] = []
    try:
        with path.open("r+b") as file:
            good = 0
            while len(front := file.read(FRAME.size)) == FRAME.size:
                length, digest = FRAME.unpack(front)
                data = bytearray(file.read(length)) if length <= os.fstat(file.fileno()).st_size else bytearray()
                if len(data) < length or digest_of([data]) != digest:
                    break
                items.append(decode(data)[0][0])
                good = file.tell()
            if os.fstat(file.fileno()).st_size > good:
                log.warning("%s is damaged after %d entries; what follows is made again", path, len(items))
                file.truncate(good)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, IndexError) as error:
        log.warning("%s cannot be read any further: %s", path, error)
    return items


class FileTape:
    """A `limner.sdk.Tape`: `append(path, frames)` adds to the file in the background, `read` sees what it added."""

    def __init__(
        self, path: Path, read: Callable[[Path], Sequence[object]], append: Callable[[Path, list[bytes]], None]
    ) -> None:
        self._path, self._read, self._append = path, read, append
        self._frames: list[bytes] = []
        self._written = monotonic()

    def recorded(self) -> Sequence[object]:
        return self._read(self._path)

    def add(self, item: object) -> None:
        self._frames.append(frame(encode([[item]])))
        if monotonic() - self._written >= INTERVAL:
            self.close()

    def finish(self) -> None:
        self._frames.clear()

    def close(self) -> None:
        """Write what was added since."""
        self._written = monotonic()
        if self._frames:
            frames, self._frames = self._frames, []
            self._append(self._path, frames)
