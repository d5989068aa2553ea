"""The settings of the cache -> caches, and the folders that hosts write to.

Jobs of a port are written down below the user folder, where the next server of that port finds them; those of a port
that was taken by chance, and of commands, in the temporary folder.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from limner.engine.ports import Cache
from limner.files import Folders
from limner.settings import Settings
from limner.stores import DiskCache, MemoryCache, TieredCache
from limner.stores.shelf import Shelf
from limner.stores.stored import StoredShelf

OVERHEAD = 1024
"""Bytes that a result costs beside its value: its handles here, and its place in its host."""


def memory_cache(settings: Settings) -> MemoryCache:
    """What remembers results in memory, by the bounds that the settings give."""
    entries = 0 if settings.cache_none else settings.cache_lru or None
    return MemoryCache(
        budget=settings.cache_memory,
        entries=entries,
        overhead=OVERHEAD,
        latest_only=settings.cache_classic,
        headroom=settings.cache_ram,
        available=_available,
    )


def cache(settings: Settings, folders: Folders, memory: MemoryCache | None = None) -> Cache:
    """What remembers results in memory (one made by `memory_cache`), and on the disk what the hosts write there."""
    disk = DiskCache(job_folder(settings, folders), shared_shelf(settings), settings.cache_disk)
    return TieredCache(memory_cache(settings) if memory is None else memory, disk)


def job_folder(settings: Settings, folders: Folders) -> Path:
    """What unfinished jobs have done."""
    return settings.user_directory / "limner" / f"jobs-{settings.port}" if settings.port else folders.temp / "jobs"


def shared_folder(settings: Settings) -> Path | None:
    if not settings.cache_disk:
        return None
    return settings.cache_directory or settings.user_directory / "limner" / "cache"


def shared_shelf(settings: Settings) -> Shelf | None:
    """What is kept for later jobs: in its folder, and in a store where there is one."""
    folder = shared_folder(settings)
    if folder is None:
        return None
    return StoredShelf(folder, settings.cache_store) if settings.cache_store else Shelf(folder)


def _available() -> int:
    return int(psutil.virtual_memory().available)
