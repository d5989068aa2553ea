"""Backups: everything that cannot be had again, in one `.tar.gz`, while a server runs or not.

Rules:

- In it are the user folder (workflows, settings, the databases of queue, history, users, ...), `limner.toml` and
  `extra_model_paths.yaml`; with `media`, the input and output folders too. What is made again by itself is left out.
- Databases are copied as they are at one moment (SQLite's own backup), so that a running server does no harm.
- A backup holds passwords' hashes and people's pictures: its file is its owner's alone. It appears whole or not at all.
- Restoring puts what is there aside, under a name with the time, and deletes nothing; it refuses while a server runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limner import __version__
from limner.database import COMPANIONS, DatabaseProblem, Lock, problem_of
from limner.files import BadFile, CannotWrite, FileProblem, UnsafeName, checked
from limner.settings import FILE, Settings

from .stores import data_folder

log = logging.getLogger(__name__)

MANIFEST = "limner-backup.json"
FORMAT = 1
LONGEST_MANIFEST = 2**16
CONFIGURATION = (FILE, "extra_model_paths.yaml")
DATABASES = (".sqlite",)
LEFT_OUT = (".lock", ".part", *(f".sqlite{suffix}" for suffix in COMPANIONS))
REMADE = ("jobs-", "cache", "upgrade")
"""Folders below `limner` in the user folder with what is made again: results of unfinished jobs, the cache, trials."""
AGAIN = "Check the file, or take another backup"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: the number of its files, and their size in bytes."""

    path: Path
    files: int
    size: int


def default_name() -> str:
    return f"limner-backup-{_now()}.tar.gz"


def write_backup(settings: Settings, to: Path, *, media: bool = False) -> Backup:
    """Write a backup. Raises FileProblem, DatabaseProblem; a file that is there is not replaced."""
    if to.exists():
        raise CannotWrite(f"there is a file {to} already", "Give the backup another name")
    part = to.with_name(f".{to.name}.part")
    try:
        with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
                count, size = _add_all(archive, settings, media)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, to)
    except OSError as error:
        raise CannotWrite(f"the backup {to} cannot be written: {error.strerror}", "Choose another place") from error
    finally:
        part.unlink(missing_ok=True)
    return Backup(to, count, size)


def _add_all(archive: tarfile.TarFile, settings: Settings, media: bool) -> tuple[int, int]:
    told = {"format": FORMAT, "version": __version__, "created": time.time(), "media": media}
    manifest = json.dumps(told, indent=2).encode()
    header = tarfile.TarInfo(MANIFEST)
    header.size, header.mtime = len(manifest), int(time.time())
    archive.addfile(header, io.BytesIO(manifest))
    count = size = 0
    with tempfile.TemporaryDirectory(prefix="limner-backup-") as scratch:
        for name, path in _chosen(settings, media):
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                source = _snapshot(path, Path(scratch)) if path.suffix in DATABASES else path
                archive.add(source, name, recursive=False, filter=_plain)
                count, size = count + 1, size + source.stat().st_size
    return count, size


def _chosen(settings: Settings, media: bool) -> Iterator[tuple[str, Path]]:
    """The files of a backup: their names in it, and their paths."""
    for name in CONFIGURATION:
        path = settings.base_directory / name
        if path.is_file():
            yield f"base/{name}", path
    folders = {"user": settings.user_directory}
    if media:
        folders |= {"input": settings.input_directory, "output": settings.output_directory}
    for name, folder in folders.items():
        for root, inner, names in os.walk(folder):
            if Path(root) == data_folder(settings):
                inner[:] = [found for found in inner if not found.startswith(REMADE)]
            for file in sorted(names):
                path = Path(root, file)
                if not file.endswith(LEFT_OUT) and path.is_file() and not path.is_symlink():
                    yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _snapshot(path: Path, scratch: Path) -> Path:
    """A copy of a database as it is at one moment; of a file that is none, the file. Raises DatabaseProblem."""
    copy = scratch / "copy.sqlite"
    copy.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise problem_of(error, path, "copied") from error
    return copy


def _plain(header: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without names and numbers of this machine's users."""
    header.uid = header.gid = 0
    header.uname = header.gname = ""
    return header


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside`: what stood in the way, under its new names."""

    files: int
    aside: tuple[Path, ...]


def restore_backup(settings: Settings, source: Path) -> Restored:
    """Put back what a backup holds. Raises FileProblem, DatabaseProblem; nothing has changed then.

    Files of the input and output folders that are there stay as they are.
    """
    with _locked(settings), contextlib.ExitStack() as closing:
        staging = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix=".restoring-", dir=_near(settings))))
        try:
            with tarfile.open(source, "r:gz") as archive:
                count = _unpack(archive, staging)
        except FileNotFoundError as error:
            raise BadFile(f"there is no file {source}", AGAIN) from error
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            raise BadFile(f"the backup {source} cannot be read: {error}", AGAIN) from error
        return Restored(count, tuple(_put_back(staging, settings)))


def _near(settings: Settings) -> Path:
    """A folder on the file system of the user folder, so that it can be put in place in one step."""
    folder = settings.user_directory.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be made: {error.strerror}", "Choose another --user-directory") from error
    return folder


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """No server of any port may run meanwhile. Raises DatabaseBusy."""
    with contextlib.ExitStack() as closing:
        for path in sorted(data_folder(settings).glob("server-*.lock")):
            closing.callback(Lock(path).close)
        yield


def _unpack(archive: tarfile.TarFile, staging: Path) -> int:
    """The files of the archive, below `staging`; nothing else that an archive may hold is taken from it."""
    first = archive.next()
    if first is None or first.name != MANIFEST:
        raise BadFile("this is no backup of Limner's", "Give a file that `limner backup` has written")
    content = archive.extractfile(first)
    try:
        told = dict(json.loads(content.read(LONGEST_MANIFEST) if content is not None else b""))
    except (ValueError, TypeError):
        told = {}
    if told.get("format") != FORMAT:
        raise BadFile(f"the backup is of version {told.get('version')}", "Restore it with that version of Limner")
    count = 0
    for header in archive:
        if header.isfile() and header.name != MANIFEST:
            _unpack_one(archive, header, staging)
            count += 1
    return count


def _unpack_one(archive: tarfile.TarFile, header: tarfile.TarInfo, staging: Path) -> None:
    try:
        path = staging / checked(header.name)
    except UnsafeName as error:
        raise BadFile(f"the backup holds {error.problem}", AGAIN) from error
    content = archive.extractfile(header)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    private = path.suffix in DATABASES
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.utime(path, (header.mtime, header.mtime))


def _put_back(staging: Path, settings: Settings) -> Iterator[Path]:
    """Put each part in its place; yields what was put aside for it."""
    now = _now()
    settings.base_directory.mkdir(parents=True, exist_ok=True)
    for name in CONFIGURATION:
        if (staging / "base" / name).is_file():
            yield from _replaced(staging / "base" / name, settings.base_directory / name, now)
    if (staging / "user").is_dir():
        yield from _replaced(staging / "user", settings.user_directory, now)
    for name, folder in (("input", settings.input_directory), ("output", settings.output_directory)):
        for path in sorted((staging / name).rglob("*")) if (staging / name).is_dir() else ():
            target = folder / path.relative_to(staging / name)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, target)


def _replaced(new: Path, place: Path, now: str) -> Iterator[Path]:
    if place.exists():
        aside = place.with_name(f"{place.name}.before-{now}")
        os.replace(place, aside)
        yield aside
    os.replace(new, place)


def _now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


__all__ = ["Backup", "DatabaseProblem", "FileProblem", "Restored", "default_name", "restore_backup", "write_backup"]
