"""Workflows under names and versions, in the library's database.

Each user has names of one's own. A workflow that is shared is found by everyone who has none of that name.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from limner.database import Database

from .interface import Output, Port


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of a workflow. `source` is what was sent, where that was not the prompt itself (the editor's form)."""

    name: str
    version: int
    owner: str
    prompt: Mapping[str, Any]
    inputs: tuple[Port, ...]
    outputs: tuple[Output, ...]
    shared: bool = False
    description: str = ""
    source: Mapping[str, Any] | None = None
    created: float = 0.0
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class _Content:
    prompt: dict[str, Any]
    inputs: tuple[Port, ...]
    outputs: tuple[Output, ...]
    description: str = ""
    source: dict[str, Any] | None = field(default=None)


class VersionExists(Exception):
    """There is a workflow of this name and version already."""


class WorkflowStore:
    """`owner` is the user's name, empty where nobody is logged in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decoder = msgspec.json.Decoder(_Content)
        self._columns = "owner, name, version, shared, created, content"

    async def add(self, kept: Kept, *, next_version: bool) -> Kept:
        """Keep it; with `next_version`, as the next one of its name. Raises VersionExists, DatabaseProblem."""
        content = msgspec.json.encode(
            _Content(dict(kept.prompt), kept.inputs, kept.outputs, kept.description, _plain(kept.source))
        )
        kept = replace(kept, created=time.time())

        def write(file: sqlite3.Connection) -> int:
            version = kept.version
            if next_version:
                latest = "SELECT coalesce(max(version), 0) + 1 FROM workflows WHERE owner = ? AND name = ?"
                version = int(file.execute(latest, (kept.owner, kept.name)).fetchone()[0])
            row = (kept.owner, kept.name, version, kept.shared, kept.created, content)
            added = file.execute(
                f"INSERT OR IGNORE INTO workflows ({self._columns}) VALUES (?, ?, ?, ?, ?, ?)", row
            ).rowcount
            return version if added else 0

        version = await self._database.write(write, safe=True)
        if not version:
            raise VersionExists(f"There is a version {kept.version} of {kept.name} already")
        return replace(kept, version=version)

    def get(self, owner: str, name: str, version: int | None = None) -> Kept | None:
        """The user's own, else a shared one; the latest version where none is named. Raises DatabaseProblem."""
        which = "" if version is None else "AND version = ?"
        values = (name, owner, *(() if version is None else (version,)), owner)
        rows = self._database.rows(
            f"SELECT {self._columns} FROM workflows WHERE name = ? AND (owner = ? OR shared) {which} "
            "ORDER BY owner = ? DESC, created DESC, version DESC LIMIT 1",
            values,
        )
        return self._read(rows[0]) if rows else None

    def versions(self, owner: str, name: str) -> Sequence[Kept]:
        """All versions, the latest first. Raises DatabaseProblem."""
        latest = self.get(owner, name)
        if latest is None:
            return ()
        rows = self._database.rows(
            f"SELECT {self._columns} FROM workflows WHERE name = ? AND owner = ? AND (owner = ? OR shared) "
            "ORDER BY version DESC",
            (name, latest.owner, owner),
        )
        return [self._read(row) for row in rows]

    def latest(self, owner: str, everyone: bool = False) -> Sequence[Kept]:
        """The latest version of each that the user may run, by name. Raises DatabaseProblem."""
        rows = self._database.rows(
            f"SELECT {self._columns} FROM workflows AS kept WHERE (owner = ? OR shared OR ?) AND version = "
            "(SELECT max(version) FROM workflows WHERE owner = kept.owner AND name = kept.name) "
            "ORDER BY name, owner <> ?, owner",
            (owner, everyone, owner),
        )
        return [self._read(row) for row in rows]

    async def delete(self, owner: str, name: str, version: int | None = None) -> int:
        """Delete a user's own workflow, or one version of it; how many versions are gone. Raises DatabaseProblem."""
        which = "" if version is None else " AND version = ?"
        values = (owner, name, *(() if version is None else (version,)))

        def write(file: sqlite3.Connection) -> int:
            return file.execute(f"DELETE FROM workflows WHERE owner = ? AND name = ?{which}", values).rowcount

        return await self._database.write(write, safe=True)

    def _read(self, row: tuple[Any, ...]) -> Kept:
        owner, name, version, shared, created, content = row
        said = self._decoder.decode(content)
        return Kept(
            name,
            version,
            owner,
            said.prompt,
            said.inputs,
            said.outputs,
            bool(shared),
            said.description,
            said.source,
            created,
        )


def _plain(source: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if source is None else dict(source)
