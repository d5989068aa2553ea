"""A store of models that several machines fetch from: any place that fsspec reaches (S3, a web server, a folder).

    store = ModelStore("s3://bucket/models")
    store.sizes("checkpoints")                          # {"sd_xl.safetensors": 6938040682}
    store.fetch("checkpoints", "sd_xl.safetensors", folder)

Below its address lies a folder for each kind, as in a models folder: `checkpoints/`, `loras/`, ... Rules, stated once:

- What it has is asked for anew every `REFRESH` seconds, in the background; meanwhile the last answer holds.
- A file is fetched once for a folder, whoever asks, and is visible there only when it is whole.
- Which store and how to log in is the matter of fsspec and of its own settings (environment variables, `~/.aws`).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from .errors import CannotWrite, MissingFile

log = logging.getLogger(__name__)

REFRESH = 30.0
PART = ".part"
CHUNK = 8 * 2**20
REMEDY = "Check its address and how to log in there (--model-store), and that the machine reaches it"


class ModelStore:
    """Safe to use from many threads. Nothing is opened before it is needed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._files: Any = None
        self._root = ""
        self._known: Mapping[str, Mapping[str, int]] = {}
        self._sized: set[tuple[str, str]] = set()
        """Those of which the store says how long they are; a web server may not."""
        self._asked = 0.0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Ask what it has. Raises `MissingFile` for an address that fsspec cannot open."""
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError, OSError) as error:
            raise MissingFile(f"the store {self.address} cannot be opened: {error}", _install(error)) from error
        self._look()

    def sizes(self, kind: str) -> Mapping[str, int]:
        """The names of the files of a kind, those in subfolders as `subfolder/name`, with their bytes.

        Raises `MissingFile` as `open` does, the first time.
        """
        if self._files is None:
            self.open()
        elif time.monotonic() - self._asked > REFRESH and self._lock.acquire(blocking=False):
            self._asked = time.monotonic()
            threading.Thread(target=self._look_again, name="look into the store", daemon=True).start()
        return self._known.get(kind, {})

    def fetch(self, kind: str, name: str, folder: Path) -> Path:
        """Have the file in this folder. Raises `MissingFile` where the store does not give it, `CannotWrite`."""
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path):
                if not path.is_file():
                    size = self.sizes(kind).get(name) if (kind, name) in self._sized else None
                    self._fetch(f"{self._root}/{kind}/{name}", path, size)
        except MissingFile:
            raise
        except OSError as error:
            problem = f"{name} cannot be kept in {folder}: {error.strerror or error}"
            raise CannotWrite(problem, "Make room there, or choose another folder for models") from error
        return path

    def _fetch(self, source: str, path: Path, size: int | None) -> None:
        """Raises OSError where it cannot be written."""
        began, part = time.monotonic(), path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}{PART}")
        log.info("fetching %s from %s", path.name, self.address)
        try:
            with part.open("wb") as file:
                for piece in self._pieces(source, path.name):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            if size is not None and part.stat().st_size != size:
                problem = f"{path.name} came with {part.stat().st_size} of {size} bytes from {self.address}"
                raise MissingFile(problem, "Run the workflow again")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        log.info("%s was fetched in %.1f s", path.name, time.monotonic() - began)

    def _pieces(self, source: str, name: str) -> Iterator[bytes]:
        """Raises `MissingFile` for whatever the store cannot do."""
        try:
            with self._files.open(source, "rb") as file:
                while piece := file.read(CHUNK):
                    yield piece
        except Exception as error:  # each store has errors of its own
            raise MissingFile(f"{name} does not come from {self.address}: {error}", REMEDY) from error

    def _look(self) -> None:
        self._asked = time.monotonic()
        try:
            found: Mapping[str, Mapping[str, Any]] = self._files.find(self._root, detail=True, refresh=True)
        except Exception as error:  # each store has errors of its own
            log.warning("the store %s does not say what it has: %s", self.address, error)
            return
        known: dict[str, dict[str, int]] = {}
        sized = set()
        for path, about in found.items():
            kind, _, name = path.removeprefix(str(self._root)).lstrip("/").partition("/")
            if name and not any(part.startswith(".") for part in name.split("/")):
                known.setdefault(kind, {})[name] = int(about.get("size") or 0)
                if about.get("size") is not None:
                    sized.add((kind, name))
        self._known, self._sized = known, sized

    def _look_again(self) -> None:
        try:
            self._look()
        finally:
            self._lock.release()


def _install(error: Exception) -> str:
    return f"Install what it needs: {error}" if isinstance(error, ImportError) else REMEDY


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process of this machine at a time. Those of others may fetch it besides, into files of their own."""
    name = blake2b(str(path.absolute()).encode(), digest_size=8).hexdigest()
    with (Path(tempfile.gettempdir()) / f"limner-{os.getuid()}-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
