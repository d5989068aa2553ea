"""A damaged database: what is whole is put into a new one, and the damaged file is kept beside it.

Rules:

- What may not be lost (the queue) must be whole, or nothing is done: the database stays as it is and is refused.
- Of other tables, rows that cannot be read are left out. They are looked for from both ends, so that a damaged page
  costs its own rows.
- Nothing is deleted: the damaged file gets a name with the time.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .errors import DatabaseDamaged
from .files import COMPANIONS, moved, opened
from .migrations import migrations, version

log = logging.getLogger(__name__)

REMEDY = "Restore a backup with `limner restore`, or move the file away to begin with an empty one"
CHECKED = 64 * 2**20
"""Bytes of a database that is looked through as a whole when it is opened."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """`aside` is the damaged file's new name; `lost` the tables that rows are missing from."""

    aside: Path
    lost: tuple[str, ...]


def damaged(path: Path) -> bool:
    """Whether a part of the database cannot be read; a large one is only looked at where it begins.

    A salvage that its process died over is finished first.
    """
    if not path.exists():
        moved(_fresh(path), path)
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as file:
            tables = [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if path.stat().st_size <= CHECKED:
                return bool(file.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
            for table in tables:
                file.execute(f'SELECT * FROM "{table}" LIMIT 1').fetchall()
    except sqlite3.OperationalError as error:
        return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CORRUPT
    except sqlite3.DatabaseError:
        return True
    return False


def salvage(path: Path, kind: str, whole: Collection[str]) -> Salvage:
    """Replace the damaged database at `path` by one of what can be read; the tables of `whole` in full.

    Raises DatabaseDamaged, with nothing changed, where that cannot be.
    """
    fresh = _fresh(path)
    _remove(fresh)
    try:
        lost = _copied(path, fresh, kind, whole)
    except sqlite3.Error as error:
        _remove(fresh)
        raise DatabaseDamaged(f"the database {path} is damaged: {error}", REMEDY) from error
    except DatabaseDamaged:
        _remove(fresh)
        raise
    aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    moved(path, aside)
    moved(fresh, path)
    return Salvage(aside, lost)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.stem}.salvaged{path.suffix}")


def _copied(path: Path, fresh: Path, kind: str, whole: Collection[str]) -> tuple[str, ...]:
    """Fill the new database; the tables that rows are missing from."""
    lost = []
    with closing(sqlite3.connect(path)) as source, closing(opened(fresh, kind)) as target:
        if version(source) != len(migrations(kind)):
            raise DatabaseDamaged(f"the database {path} is damaged, and of another version", REMEDY)
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute("BEGIN")
        triggers = _without_triggers(target)
        for table in [row[0] for row in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
            if not table.startswith("sqlite_") and not _copy(source, target, table):
                lost.append(table)
        if set(lost) & set(whole):
            raise DatabaseDamaged(f"the database {path} is damaged where it holds {', '.join(whole)}", REMEDY)
        for broken in target.execute("PRAGMA foreign_key_check").fetchall():
            target.execute(f'DELETE FROM "{broken[0]}" WHERE rowid = ?', (broken[1],))
            if broken[0] in whole:
                raise DatabaseDamaged(f"the database {path} lacks what {broken[0]} belongs to", REMEDY)
        for trigger in triggers:
            target.execute(trigger)
        target.execute("COMMIT")
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return tuple(lost)


def _without_triggers(target: sqlite3.Connection) -> Sequence[str]:
    """Drop the triggers, which would act on rows that are copied; how they are made again."""
    found = target.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        target.execute(f'DROP TRIGGER "{name}"')
    return [sql for _, sql in found]


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> bool:
    """Copy the rows that can be read; whether these are all."""
    columns = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")')]
    target.execute(f'DELETE FROM "{table}"')  # rows that a migration put there
    marks = ", ".join("?" * (len(columns) + 1))
    insert = f'INSERT OR REPLACE INTO "{table}" (rowid, {", ".join(columns)}) VALUES ({marks})'
    for order in ("ASC", "DESC"):
        if _whole(source, target, f'SELECT rowid, {", ".join(columns)} FROM "{table}" ORDER BY rowid {order}', insert):
            return order == "ASC"
    return False


def _whole(source: sqlite3.Connection, target: sqlite3.Connection, select: str, insert: str) -> bool:
    rows = _rows(source, select)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return True
        except sqlite3.DatabaseError as error:
            log.debug("%s: %s", select, error)
            return False
        target.execute(insert, row)


def _rows(source: sqlite3.Connection, select: str) -> Iterator[tuple[object, ...]]:
    yield from source.execute(select)


def _remove(path: Path) -> None:
    for suffix in ("", *COMPANIONS):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
