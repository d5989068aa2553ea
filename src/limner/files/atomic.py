"""Files appear whole or not at all: written beside their place, flushed to the disk, then put there in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import CannotWrite
from .leftovers import unfinished_prefix


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file, replacing one that is there. Raises `CannotWrite`."""
    with _written_beside(path, data) as temporary, _reported(path):
        os.replace(temporary, path)


def write_new(path: Path, data: bytes, *, durable: bool = True) -> bool:
    """Write a file that must not be there yet; False, with nothing changed, where it is. Raises `CannotWrite`.

    Not `durable`: a file that nobody misses after a power cut is not waited for.
    """
    with _written_beside(path, data, durable) as temporary, _reported(path):
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists():
                return False
            os.replace(temporary, path)
    return True


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes, durable: bool = True) -> Iterator[str]:
    with _reported(path):
        descriptor, temporary = tempfile.mkstemp(prefix=unfinished_prefix(), suffix=".part", dir=path.parent)
    try:
        with _reported(path):
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "Free some space on the disk, or choose another output folder",
            errno.EDQUOT: "Free some space within your quota, or choose another output folder",
            errno.ENAMETOOLONG: "Choose a shorter file name prefix",
        }
        remedy = remedies.get(error.errno or 0, "Check that the folder exists and may be written to")
        raise CannotWrite(f"{path} cannot be written: {error.strerror or error}", remedy) from None


def _umask() -> int:
    """The process's umask, read without changing it where the system tells."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
