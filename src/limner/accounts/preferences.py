"""The editor's settings of each profile, in the library's database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from limner.database import Database


class Preferences:
    """A profile is named by its folder: `default`, `profiles/ann`. What is read is what was written."""

    def __init__(self, database: Database) -> None:
        """`database` is of the kind `library`."""
        self._database = database

    def read(self, profile: str) -> dict[str, Any] | None:
        """What the profile has set; None for one that was never begun. Raises DatabaseProblem."""
        rows = self._database.rows("SELECT name, value FROM settings WHERE profile = ? ORDER BY name", (profile,))
        if not rows and not self._database.rows("SELECT 1 FROM profiles WHERE profile = ?", (profile,)):
            return None
        return {name: json.loads(value) for name, value in rows}

    async def begin(self, profile: str, values: Mapping[str, Any]) -> None:
        """Begin a profile with these values, unless it was meanwhile. Raises DatabaseProblem."""
        rows = _rows(profile, values)

        def write(file: sqlite3.Connection) -> None:
            row = (profile, time.time())
            if file.execute("INSERT OR IGNORE INTO profiles (profile, since) VALUES (?, ?)", row).rowcount:
                file.executemany(_SET, rows)

        await self._database.write(write)

    async def change(self, profile: str, values: Mapping[str, Any]) -> None:
        """Set these; others stay. It is on the disk when this returns. Raises DatabaseProblem."""
        rows = _rows(profile, values)

        def write(file: sqlite3.Connection) -> None:
            file.execute("INSERT OR IGNORE INTO profiles (profile, since) VALUES (?, ?)", (profile, time.time()))
            file.executemany(_SET, rows)

        await self._database.write(write, safe=True)


_SET = "INSERT OR REPLACE INTO settings (profile, name, value) VALUES (?, ?, ?)"


def _rows(profile: str, values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(profile, name, json.dumps(value)) for name, value in values.items()]
