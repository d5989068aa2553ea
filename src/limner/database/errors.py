"""What can go wrong with a database, each with the remedy in the message.

DatabaseProblem          the disk fails, or SQLite refuses for a reason of its own
├── DatabaseFull         there is no room on the disk
├── DatabaseReadOnly     the file or its folder may not be written to
├── DatabaseBusy         another program keeps it locked
├── DatabaseDamaged      it is no database, or a part of it cannot be read
└── DatabaseNewer        it was written by a newer version
"""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from pathlib import Path


class DatabaseProblem(Exception):
    """`problem` says what is wrong, `remedy` what the user can do about it; the message holds both."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem, self.remedy = problem, remedy


class DatabaseFull(DatabaseProblem):
    """There is no room on the disk."""


class DatabaseReadOnly(DatabaseProblem):
    """The file or its folder may not be written to."""


class DatabaseBusy(DatabaseProblem):
    """Another program keeps the file locked."""


class DatabaseDamaged(DatabaseProblem):
    """The file is no database, or a part of it cannot be read."""


class DatabaseNewer(DatabaseProblem):
    """The file was written by a newer version."""


_KINDS: dict[int, tuple[type[DatabaseProblem], str]] = {
    sqlite3.SQLITE_FULL: (DatabaseFull, "Free some space on the disk"),
    sqlite3.SQLITE_READONLY: (DatabaseReadOnly, "Make the file and its folder writable"),
    sqlite3.SQLITE_PERM: (DatabaseReadOnly, "Make the file and its folder writable"),
    sqlite3.SQLITE_CANTOPEN: (DatabaseReadOnly, "Check that the folder exists and may be written to"),
    sqlite3.SQLITE_BUSY: (DatabaseBusy, "Another program keeps it locked: end that one, or try again in a moment"),
    sqlite3.SQLITE_LOCKED: (DatabaseBusy, "Another program keeps it locked: end that one, or try again in a moment"),
    sqlite3.SQLITE_CORRUPT: (DatabaseDamaged, "Restore a backup with `limner restore`, or move the file away"),
    sqlite3.SQLITE_NOTADB: (DatabaseDamaged, "Restore a backup with `limner restore`, or move the file away"),
}
PRIMARY = 0xFF
"""The part of a SQLite code that tells its kind; the rest tells more."""


def problem_of(error: sqlite3.Error | OSError, path: Path, doing: str = "used") -> DatabaseProblem:
    """What SQLite or the system says of the file at `path`, which could not be opened, read, written, ..."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY
    cause = error if isinstance(error, OSError) else _refusal(path.parent) if code == sqlite3.SQLITE_IOERR else None
    if cause is not None:
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
        code = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_CANTOPEN
    reason = str(error) if cause is None else cause.strerror or str(cause)
    kind, remedy = _KINDS.get(code, (DatabaseProblem, "Check the disk and the file's folder"))
    return kind(f"the database {path} cannot be {doing}: {reason}", remedy)


def _refusal(folder: Path) -> OSError | None:
    """What the disk says to another file there: SQLite tells that it could not write, and not why."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error
    return None
