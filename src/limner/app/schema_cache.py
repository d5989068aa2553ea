"""Node schemas on disk, and what kept packs from loading: a server knows its nodes before a host has imported them.

The cache belongs to one state of the code: its file's name holds a digest of the names, sizes and times of all source
files that nodes are read from. File lists are not in it: schemas name folders, which are listed anew each time.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from limner import __version__
from limner.files import CannotWrite, Folders, write_atomic
from limner.graph import NodeSchema

log = logging.getLogger(__name__)
PACKAGE = Path(__file__).resolve().parents[1]
SOURCES = tuple(PACKAGE / name for name in ("nodes", "sdk", "graph", "diffusion", "comfy", "plugins"))
ADOPTED = ("comfy", "comfy_extras", "comfy_api", "comfy_api_nodes", "comfy_execution")
"""Where the nodes of an adopted ComfyUI stand, and what makes them."""
KEPT = 8
"""Caches of other states of the code that are left lying, for other checkouts and folders of packs."""


class Known(msgspec.Struct, frozen=True):
    """What hosts told of this state of the code: the nodes, and of each pack that does not load, or not whole, why."""

    schemas: list[NodeSchema]
    problems: Mapping[str, str]


def cache_folder() -> Path:
    """`limner` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limner"


class SchemaCache:
    """Schemas of the nodes in these source folders (the built-in ones if none are named)."""

    def __init__(self, sources: Iterable[Path] = SOURCES, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()
        self._path = self._folder / f"schemas-{_digest(sources)}.json"

    def load(self) -> Known | None:
        """What was saved for this state of the code, or None."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Known)
        except OSError:
            return None
        except msgspec.MsgspecError as error:
            log.warning("the schema cache %s is damaged and will be written anew: %s", self._path, error)
            return None

    def save(self, schemas: Sequence[NodeSchema], problems: Mapping[str, str] = MappingProxyType({})) -> None:
        """Keep these; a disk that cannot be written costs time at the next start, nothing else."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.json.encode(Known(list(schemas), dict(problems))))
            old = sorted(self._folder.glob("schemas-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in old[KEPT:]:
                path.unlink(missing_ok=True)
        except (OSError, CannotWrite) as error:
            log.warning("the schema cache could not be written: %s", error)


def cache_for(folders: Folders, comfyui: Path | None = None) -> SchemaCache:
    """The cache of the built-in nodes, or those of an adopted ComfyUI, and the packs of these folders."""
    packs = folders.model_folder("custom_nodes").paths
    if comfyui is None:
        return SchemaCache((*SOURCES, *packs))
    return SchemaCache((PACKAGE / "comfy", *(comfyui / part for part in ADOPTED), *packs))


def _digest(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for source in sources:
        for path, status in _files(source):
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    waiting = [folder]
    while waiting:
        try:
            entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.path)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    waiting.append(Path(entry.path))
            elif entry.name.endswith((".py", ".toml", ".json")):
                yield entry.path, entry.stat()
