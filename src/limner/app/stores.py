"""What a server keeps: its queue, its history and what happened, in one database of its port, in the user folder.

A server on a port that was taken by chance keeps nothing, as no later one would find it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from limner.database import Database, DatabaseProblem, Lock, damaged, moved, opened, salvage
from limner.queue import JobQueue, MemoryQueue, SqliteQueue
from limner.runs import Bus, EventLog, History, MemoryHistory, SqliteHistory, adopt_history
from limner.settings import Settings
from limner.workflows.library import NAME as LIBRARY

from .listening import CannotServe

log = logging.getLogger(__name__)

WHOLE = ("places", "works", "counter")
"""The tables of the queue: without them no server starts on a damaged database, as jobs could be lost."""
LIBRARY_WHOLE = ("workflows", "settings")
"""The same of what users have made."""


@dataclass(frozen=True, slots=True)
class Stores:
    queue: JobQueue
    history: History
    bus: Bus


def data_folder(settings: Settings) -> Path:
    """Where the databases are."""
    return settings.user_directory / "limner"


async def stores(settings: Settings, closing: AsyncExitStack) -> Stores:
    """The stores of this port, until the context ends; all databases are mended first. Raises CannotServe."""
    folder = data_folder(settings)
    try:
        mended(folder / LIBRARY, "library", LIBRARY_WHOLE)
        if settings.port == 0:
            return Stores(MemoryQueue(), MemoryHistory(), Bus())
        closing.callback(Lock(folder / f"server-{settings.port}.lock").close)
        database = _database(folder, settings.port)
        closing.callback(database.close)
        queue = SqliteQueue(database)
        closing.push_async_callback(queue.close)
        history = SqliteHistory(database, settings.keep_runs, settings.keep_days)
        closing.push_async_callback(history.close)
        return Stores(queue, history, Bus(log=EventLog(database, settings.keep_events)))
    except DatabaseProblem as error:
        raise CannotServe(error.problem, error.remedy) from error


def _database(folder: Path, port: int) -> Database:
    """The database of a port, with what earlier versions kept in two files. Raises DatabaseProblem."""
    path = folder / f"server-{port}.sqlite"
    if not path.exists():
        moved(folder / f"queue-{port}.sqlite", path)
    mended(path, "server", WHOLE)
    file = opened(path, "server")
    try:
        adopt_history(file, folder / f"history-{port}.sqlite")
    except DatabaseProblem as error:
        log.warning("the history of an earlier version is left out: %s", error)
    finally:
        file.close()
    return Database(path, "server")


def mended(path: Path, kind: str, whole: Sequence[str]) -> None:
    """Replace a damaged database by what can be read of it, if that is all of these tables. Raises DatabaseProblem."""
    if damaged(path):
        done = salvage(path, kind, whole)
        missing = f"; rows of {', '.join(done.lost)} could not be read" if done.lost else ""
        log.error("the database %s was damaged, and is kept as %s: a new one goes on%s", path, done.aside, missing)
