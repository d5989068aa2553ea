"""What happened, in the server's database: for readers that come back after a restart, or are far behind.

Rules: kept is what runs are told by, but for what is soon stale (progress, previews); the bodies are JSON, under the
names of their classes. What cannot be written is left out and logged; a run never fails or waits by it. The oldest go
beyond a limit.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from limner.database import Database
from limner.engine.events import RunFinished, RunQueued, RunStarted, StepFailed, StepFinished, StepsCached, StepStarted

from .message import Message

log = logging.getLogger(__name__)

LIMIT = 200_000
TRIM_EVERY = 1000
"""Events between two looks at the limit."""
AHEAD = 1_000_000
"""How far a new server's numbers begin above those that are kept: nobody was told of a number that comes again."""

KEPT: Mapping[str, type[object]] = {
    kind.__name__: kind
    for kind in (RunQueued, RunStarted, StepsCached, StepStarted, StepFinished, StepFailed, RunFinished)
}
_INSERT = "INSERT OR REPLACE INTO events (sequence, time, run, client, kind, body) VALUES (?, ?, ?, ?, ?, ?)"


class EventLog:
    """The messages of all runs, as far as they are kept."""

    def __init__(self, database: Database, limit: int = LIMIT) -> None:
        """At most `limit` messages, or a few more; 0 keeps none. Raises DatabaseProblem."""
        self._database, self._limit = database, limit
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._decoders = {name: msgspec.json.Decoder(kind) for name, kind in KEPT.items()}
        self._written = 0
        ((latest,),) = database.rows("SELECT coalesce(max(sequence), 0) FROM events")
        self.begin = int(latest) + AHEAD if latest else 0
        """The number after which new messages are numbered."""

    def keep(self, messages: Sequence[Message]) -> None:
        """Write down those of these messages that are worth it, when there is time."""
        if not self._limit:
            return
        rows = [row for message in messages if (row := self._row(message)) is not None]
        if not rows:
            return
        self._written += len(rows)
        trims = self._written >= TRIM_EVERY
        if trims:
            self._written = 0
        limit = self._limit

        def write(file: sqlite3.Connection) -> None:
            file.executemany(_INSERT, rows)
            if trims:
                oldest = "SELECT sequence FROM events ORDER BY sequence DESC LIMIT 1 OFFSET ?"
                file.execute(f"DELETE FROM events WHERE sequence <= ({oldest})", (limit,))

        self._database.write_soon(write)

    def _row(self, message: Message) -> tuple[object, ...] | None:
        kind = type(message.body).__name__
        if message.run is None or KEPT.get(kind) is not type(message.body):
            return None
        try:
            body = self._encoder.encode(message.body)
        except (TypeError, ValueError, OverflowError) as error:
            log.debug("%s of run %s is not kept: %s", kind, message.run, error)
            return None
        return message.sequence, message.time, message.run, message.client, kind, body

    def read(self, after: int, until: int, limit: int) -> list[Message]:
        """The first `limit` messages with a number above `after` and at most `until`. Raises DatabaseProblem."""
        rows = self._database.rows(
            "SELECT sequence, time, run, client, kind, body FROM events WHERE sequence > ? AND sequence <= ? "
            "ORDER BY sequence LIMIT ?",
            (after, until, limit),
        )
        return list(self._messages(rows))

    def first_of(self, run: str) -> int | None:
        """The number of the first message of a run, None where none is kept. Raises DatabaseProblem."""
        ((first,),) = self._database.rows("SELECT min(sequence) FROM events WHERE run = ?", (run,))
        return None if first is None else int(first)

    def _messages(self, rows: Sequence[tuple[int, float, str, str | None, str, bytes]]) -> Iterator[Message]:
        for sequence, time, run, client, kind, body in rows:
            decoder = self._decoders.get(kind)
            if decoder is None:  # of an event that this version does not know
                continue
            try:
                yield Message(sequence, decoder.decode(body), run, client, time)
            except msgspec.MsgspecError as error:
                log.warning("an event of %s cannot be read: %s", self._database.path, error)
