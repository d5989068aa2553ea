"""What is known of files beside what the disk says: digests of what they hold, and what users said of them.

A digest is kept with the size and the time of the file that it was made of, and made again when either differs. Notes
are each user's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from limner.database import Database

PREFIX = "blake3:"
CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class AssetNote:
    """What a user said of a file: a name to show, tags, any JSON, and another file that shows it (by its id)."""

    name: str = ""
    tags: tuple[str, ...] = ()
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    preview_id: str = ""


def digest(data: bytes) -> str:
    """The BLAKE3 digest of these bytes, as `blake3:<hex>`."""
    return PREFIX + blake3(data).hexdigest()


def file_digest(path: Path) -> str:
    """The same of a file's. Raises OSError."""
    found = blake3()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return PREFIX + found.hexdigest()


class AssetStore:
    """In the library's database. Its methods may be called in any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known_digest(self, path: Path) -> str | None:
        """The digest of the file as it is now, where it was made before. Raises OSError, DatabaseProblem."""
        status = path.stat()
        rows = self._database.rows(
            "SELECT hash FROM asset_hashes WHERE path = ? AND size = ? AND changed = ?",
            (str(path), status.st_size, status.st_mtime_ns),
        )
        return str(rows[0][0]) if rows else None

    def digest(self, path: Path) -> str:
        """The digest of the file, made if need be. Raises OSError, DatabaseProblem."""
        known = self.known_digest(path)
        if known is not None:
            return known
        status = path.stat()
        found = file_digest(path)
        row = (str(path), status.st_size, status.st_mtime_ns, found)
        statement = "INSERT OR REPLACE INTO asset_hashes (path, size, changed, hash) VALUES (?, ?, ?, ?)"
        self._database.write_soon(lambda file: file.execute(statement, row))
        return found

    def paths(self, hash: str) -> list[Path]:
        """The files that had this digest when it was made; they may have changed since. Raises DatabaseProblem."""
        rows = self._database.rows("SELECT path FROM asset_hashes WHERE hash = ? ORDER BY path", (hash,))
        return [Path(path) for (path,) in rows]

    def notes(self, owner: str) -> dict[str, AssetNote]:
        """A user's notes, by the ids of the files. Raises DatabaseProblem."""
        rows = self._database.rows("SELECT asset, note FROM asset_notes WHERE owner = ?", (owner,))
        return {asset: msgspec.json.decode(note, type=AssetNote) for asset, note in rows}

    async def write_note(self, owner: str, asset: str, note: AssetNote) -> None:
        """Raises DatabaseProblem."""
        row = (owner, asset, msgspec.json.encode(note))
        statement = "INSERT OR REPLACE INTO asset_notes (owner, asset, note) VALUES (?, ?, ?)"
        await self._database.write(lambda file: file.execute(statement, row).rowcount, safe=True)

    async def forget(self, assets: Iterable[str]) -> None:
        """Drop everyone's notes of files that are gone. Raises DatabaseProblem."""
        rows = [(asset,) for asset in assets]

        def write(file: sqlite3.Connection) -> None:
            file.executemany("DELETE FROM asset_notes WHERE asset = ?", rows)

        await self._database.write(write, safe=True)
