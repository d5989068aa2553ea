"""A database of the server: written in a thread, read where it is asked."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from .errors import problem_of
from .files import opened, reader
from .writer import Writer

T = TypeVar("T")

log = logging.getLogger(__name__)


class Database:
    """The file at `path`, of a kind that there are migrations for. Close it when done.

    Reading takes tens of microseconds and is done in the calling thread; it sees what was written before it.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """Raises DatabaseProblem."""
        self.path = path
        file = opened(path, kind)
        self._reader = reader(path)
        self._reading = threading.Lock()
        self._writer = Writer(file, path)

    async def write(self, work: Callable[[sqlite3.Connection], T], *, safe: bool = False) -> T:
        """Let `work` write in a transaction; `safe`: it is past the loss of power when this returns.

        Raises DatabaseProblem, with nothing written, and what `work` raises.
        """
        return await asyncio.wrap_future(self._writer.submit(work, safe=safe))

    def write_soon(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Let `work` write within a few milliseconds; what cannot be written is logged and left out."""
        self._writer.submit(work, soon=True).add_done_callback(self._noted)

    def _noted(self, done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            log.warning("%s", error)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Raises DatabaseProblem."""
        try:
            with self._reading:
                return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise problem_of(error, self.path, "read") from error

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._writer.close()
        self._reader.close()
