"""The thread that writes to a database: what is to be written waits in one line, and what waits goes in together.

Rules:

- Nothing that waits for the disk, or for another program's lock, holds up the event loop.
- Everything that waits when the thread is free again is one transaction: a hundred jobs that come at once share one
  wait for the disk. Where that transaction fails, each piece is tried on its own, so that none fails for another.
- What nobody waits for goes in with the next piece that somebody does, or after `LINGER` seconds: each transaction, and
  each waking of the thread, takes time from the event loop.
- A piece of work that is to be `safe` is on the disk, past the loss of power, when it is done; any other has been
  handed to the system, and outlives the process.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import problem_of

TOGETHER = 512
"""Pieces of work in one transaction, at most."""
LINGER = 0.005
"""Seconds that a piece which nobody waits for may wait for company."""
Work = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class Piece:
    work: Work
    safe: bool
    soon: bool
    done: Future[Any]


class Writer:
    """Writes with one connection, which is its own from now on."""

    def __init__(self, file: sqlite3.Connection, path: Path) -> None:
        self._file, self._path = file, path
        self._line: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._urgent = threading.Event()
        self._safe = True
        self._thread = threading.Thread(target=self._serve, name=f"write {path.name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, safe: bool = False, soon: bool = False) -> Future[Any]:
        """Let `work` write; its result, or the `DatabaseProblem` or other exception that it ended with.

        `soon`: nobody waits for it.
        """
        piece = Piece(work, safe, soon, Future())
        self._line.put(piece)
        if not soon:
            self._urgent.set()
        return piece.done

    def close(self) -> None:
        """Write what waits, and end."""
        self._line.put(None)
        self._urgent.set()
        self._thread.join()
        self._file.close()

    def _serve(self) -> None:
        while (first := self._line.get()) is not None:
            if first.soon:
                self._urgent.wait(LINGER)
            self._urgent.clear()  # whatever it was set for is in the line by now
            pieces, ends = self._waiting(first)
            self._write([piece for piece in pieces if piece.done.set_running_or_notify_cancel()])
            if ends:
                return

    def _waiting(self, first: Piece) -> tuple[list[Piece], bool]:
        """What waits with the first one, and whether the end has come behind it."""
        pieces = [first]
        while len(pieces) < TOGETHER:
            try:
                piece = self._line.get_nowait()
            except queue.Empty:
                break
            if piece is None:
                return pieces, True
            pieces.append(piece)
        return pieces, False

    def _write(self, pieces: Sequence[Piece]) -> None:
        if not pieces:
            return
        try:
            results = self._transaction(pieces)
        except sqlite3.OperationalError as error:
            problem = problem_of(error, self._path, "written")
            if len(pieces) == 1 or not self._begins():
                for piece in pieces:
                    piece.done.set_exception(problem)
            else:
                self._write_each(pieces)
        except Exception as error:
            if len(pieces) == 1:
                pieces[0].done.set_exception(self._told(error))
            else:
                self._write_each(pieces)
        else:
            for piece, result in zip(pieces, results, strict=True):
                piece.done.set_result(result)

    def _write_each(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            self._write([piece])

    def _begins(self) -> bool:
        """Whether a transaction can begin at all: another program's lock is waited for once, not for each piece."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _told(self, error: Exception) -> Exception:
        """IntegrityError is for the work's own caller; anything else of SQLite's is the file's."""
        if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
            return problem_of(error, self._path, "written")
        return error

    def _transaction(self, pieces: Sequence[Piece]) -> list[Any]:
        safe = any(piece.safe for piece in pieces)
        try:
            if safe is not self._safe:
                self._file.execute(f"PRAGMA synchronous = {'FULL' if safe else 'NORMAL'}")
                self._safe = safe
            self._file.execute("BEGIN IMMEDIATE")
            results = [piece.work(self._file) for piece in pieces]
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        return results
