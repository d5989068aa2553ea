"""The folders: there or makeable, writable, with room; the files in them that are secrets; and shared memory."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from limner.files import Folders
from limner.settings import Settings

from ..accounts import accounts_file
from ..schema_cache import cache_folder
from ..stores import data_folder
from .finding import Finding, failed, noted, warned, well

GIB = 2**30
LEAST_FREE = 2 * GIB
SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED = GIB
LARGEST_LOOK = 256 * 2**20
"""Databases beyond this size are not read through."""


def findings(settings: Settings, folders: Folders) -> Iterator[Finding]:
    named = {"output": folders.output, "input": folders.input, "temp": folders.temp, "user": folders.user}
    flags = {"output": "output", "input": "input", "temp": "temp", "user": "user"}
    for name, path in named.items():
        yield writable(f"{name} folder", path, f"choose another with --{flags[name]}-directory")
    yield writable("cache folder", cache_folder(), "name another with XDG_CACHE_HOME; each start is slower until then")
    yield from _room(named)
    yield from _shared_memory()
    yield from _databases(data_folder(settings))
    yield from _secrets(settings)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        remedy = "Nodes of packs may do whatever you may: run the server as a user of its own"
        yield noted("user", "this is root", remedy)


def writable(what: str, path: Path, otherwise: str) -> Finding:
    """Whether files can be made there, or the folder itself."""
    place = next((each for each in (path, *path.parents) if each.exists()), path)
    remedy = f"chown or chmod {place}, or {otherwise}"
    if not place.is_dir():
        return failed(what, f"{place} is no folder", f"Move it away, or {otherwise}")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return failed(what, f"{place} cannot be written: {error.strerror}", remedy[:1].upper() + remedy[1:])
    return well(what, f"{path}{'' if place == path else ' (made at the first start)'}")


def _room(named: dict[str, Path]) -> Iterator[Finding]:
    disks: dict[int, list[str]] = {}
    places: dict[int, Path] = {}
    for name, path in named.items():
        place = next((each for each in (path, *path.parents) if each.exists()), path)
        number = place.stat().st_dev
        disks.setdefault(number, []).append(name)
        places[number] = place
    for number, names in disks.items():
        usage = shutil.disk_usage(places[number])
        what, room = "disk", f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GB are free"
        told = f"{room} for {', '.join(names)}"
        if usage.free < LEAST_FREE:
            yield warned(what, told, "Delete results that nobody needs, or give the folders another disk")
        else:
            yield well(what, told)


def _shared_memory() -> Iterator[Finding]:
    """Tensors cross between hosts there."""
    if sys.platform != "linux" or not SHARED_MEMORY.is_dir():
        return
    usage = shutil.disk_usage(SHARED_MEMORY)
    if usage.total < LEAST_SHARED:
        remedy = "Give it more: docker run --shm-size 8g, or mount -o remount,size=8g /dev/shm"
        found = f"{usage.total / GIB:.2f} GB: pictures cross between hosts through sockets, which is slower"
        yield warned("shared memory", found, remedy)
    else:
        yield well("shared memory", f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GB are free")


def _databases(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.glob("*.sqlite")):
        trouble = _trouble(path)
        if trouble:
            remedy = "The server mends it when it starts, as far as it can; else `limner restore` puts a backup back"
            yield warned(path.name, f"{path}: {trouble}", remedy)


def _trouble(path: Path) -> str:
    """What SQLite says against a database; it is only read."""
    if path.stat().st_size > LARGEST_LOOK:
        return ""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as file:
            (said,) = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return "" if "locked" in str(error) else str(error)
    return "" if said == "ok" else str(said)


def _secrets(settings: Settings) -> Iterator[Finding]:
    path = accounts_file(settings)
    if os.name == "posix" and path.is_file() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warned("logins", f"others on this machine can open {path}", f"chmod 600 {path}")
