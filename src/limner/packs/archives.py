"""Archives from anywhere -> folders, or a refusal.

Rules: a name that is absolute, leads upwards, or means another thing on another system is refused; so are links and
everything that is neither file nor folder, passwords, and two entries of one name. Sizes are counted while they are
written, whatever the archive says of them. Only the owner's permissions are kept, and none of the special bits.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from .errors import BadSource

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST = 2 * 2**30
"""Bytes that an archive may unpack to."""
MOST_FILES = 50_000
DEEPEST = 40
CHUNK = 2**20
IGNORED = ("__MACOSX", ".DS_Store")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to."""

    size: int = LARGEST
    files: int = MOST_FILES


def is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> Path:
    """Unpack into a new folder `target`; gives the folder that the pack's files are in. Raises `BadSource`."""
    try:
        target.mkdir(parents=True)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _write_all(_zipped(opened), target, limits or Limits())
        else:
            with tarfile.open(archive, "r:*") as tar:
                _write_all(_tarred(tar), target, limits or Limits())
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as error:
        raise BadSource(
            f"{archive.name} is damaged, or no archive: {error}", f"Give one of {', '.join(SUFFIXES)}"
        ) from error
    except (RuntimeError, OSError, ValueError) as error:  # a password; a file name that this system refuses
        raise BadSource(
            f"{archive.name} cannot be unpacked: {error}", "Unpack it by hand, and install the folder"
        ) from error
    return inner_folder(target)


def inner_folder(folder: Path) -> Path:
    """The folder itself, or the one folder that is all that it holds."""
    entries = [entry for entry in folder.iterdir() if entry.name not in IGNORED]
    alone = len(entries) == 1 and entries[0].is_dir() and not (folder / "__init__.py").exists()
    return entries[0] if alone else folder


class _Opener(Protocol):
    def __call__(self) -> IO[bytes] | None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """`open` None: a folder."""

    name: str
    size: int
    mode: int
    open: _Opener | None
    refusal: str = ""


def _zipped(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        refusal = "is a link" if stat.S_ISLNK(mode) else "has a password" if info.flag_bits & 1 else ""
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            refusal = "is neither a file nor a folder"

        def opener(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return archive.open(info)

        # The name as it stands in the file: the library has cut it at a NUL, and turned other systems' separators.
        yield _Entry(info.orig_filename, info.file_size, mode, None if info.is_dir() else opener, refusal)


def _tarred(archive: tarfile.TarFile) -> Iterator[_Entry]:
    for member in archive:
        if member.issym() or member.islnk():
            refusal = "is a link"
        else:
            refusal = "" if member.isfile() or member.isdir() else "is neither a file nor a folder"

        def opener(member: tarfile.TarInfo = member) -> IO[bytes] | None:
            return archive.extractfile(member)

        yield _Entry(member.name, member.size, member.mode, None if member.isdir() else opener, refusal)


def _write_all(entries: Iterator[_Entry], target: Path, limits: Limits) -> None:
    seen: set[str] = set()
    size = 0
    for number, entry in enumerate(entries):
        if number >= limits.files:
            raise BadSource(f"the archive holds more than {limits.files} entries", "It is no pack")
        inside = _checked(entry)
        if size + entry.size > limits.size:
            raise BadSource(f"the archive unpacks to more than {limits.size} bytes", "It is no pack")
        path = target / inside
        if entry.open is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        if str(inside).casefold() in seen:
            raise BadSource(f"the archive holds {entry.name!r} twice", "It is no pack")
        seen.add(str(inside).casefold())
        path.parent.mkdir(parents=True, exist_ok=True)
        size += _copy(entry, path, limits.size - size)
        path.chmod(0o755 if entry.mode & stat.S_IXUSR else 0o644)


def _checked(entry: _Entry) -> PurePosixPath:
    """The entry's path below the target."""
    name = entry.name
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    strange = any(part == ".." or (part.endswith((" ", ".")) and part.strip(". ") == "") for part in parts)
    if entry.refusal or path.is_absolute() or "\\" in name or ":" in name or "\0" in name or strange:
        reason = entry.refusal or "leads out of its folder, or has no proper name"
        raise BadSource(f"the archive is not safe: {name!r} {reason}", "It was not unpacked; do not trust it")
    if len(parts) > DEEPEST:
        raise BadSource(f"the archive is not safe: {name[:100]!r}... lies too deep", "It was not unpacked")
    return PurePosixPath(*parts)


def _copy(entry: _Entry, path: Path, room: int) -> int:
    """Write a file; gives its size, which no header needs to be believed for."""
    written = 0
    source = entry.open() if entry.open is not None else None
    if source is None:
        return 0
    with source, path.open("xb") as file:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > room:
                raise BadSource("the archive unpacks to more than it says, and than is allowed", "Do not trust it")
            file.write(chunk)
    return written
