"""Database files: how one is opened, and which of its pages may be trusted.

Every database is in WAL mode: readers and the writer do not wait for each other, and what was written outlives the
death of the process at any moment.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from .errors import problem_of
from .migrations import migrate, migrations

BUSY_SECONDS = 5.0
"""How long another program's lock is waited for."""
LONGEST_LOG = 64 * 2**20
"""Bytes that the write-ahead log is cut to."""
COMPANIONS = ("-wal", "-shm")
"""The files beside a database that belong to it while it is open, and after its process was killed."""


def opened(path: Path, kind: str) -> sqlite3.Connection:
    """The database at `path` with the tables of this version; it is made where it is missing, for its owner alone.

    Transactions are begun by hand. Raises DatabaseProblem.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    except (sqlite3.Error, OSError) as error:
        raise problem_of(error, path, "opened") from error
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("PRAGMA foreign_keys = ON")
        file.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG}")
        migrate(file, migrations(kind), path)
    except BaseException as error:
        file.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise problem_of(error, path, "opened") from error
        raise
    return file


def reader(path: Path) -> sqlite3.Connection:
    """Another connection to a database that is open, which cannot write. Raises DatabaseProblem."""
    try:
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        file.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise problem_of(error, path, "opened") from error
    return file


def moved(old: Path, new: Path) -> None:
    """Give a database that nobody has open another name, its companions first: begun again, it goes on."""
    for suffix in (*COMPANIONS, ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{old}{suffix}", f"{new}{suffix}")
