"""The latest log lines, in memory, for clients that show them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

Line = TypeVar("Line")
Made_co = TypeVar("Made_co", covariant=True)


class MakeLine(Protocol[Made_co]):
    def __call__(self, time: str, text: str) -> Made_co: ...


class LogBook(logging.Handler, Generic[Line]):
    """A logging handler that keeps `size` lines, each made by `make_line(ISO 8601 time, text)`, and tells watchers."""

    def __init__(self, make_line: MakeLine[Line], size: int = 300) -> None:
        super().__init__()
        self._make_line = make_line
        self._kept: deque[Line] = deque(maxlen=size)
        self._watchers: list[Callable[[Line], None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            time = datetime.fromtimestamp(record.created, UTC).isoformat()
            trace = getattr(record, "exception", "")  # of a node or a host, in words already
            text = f"{record.getMessage()}\n{trace}" if trace else record.getMessage()
            line = self._make_line(time, f"{record.levelname.lower()} {text}")
            self._kept.append(line)
            for watcher in tuple(self._watchers):
                watcher(line)
        except Exception:
            self.handleError(record)

    def lines(self) -> Sequence[Line]:
        """Oldest first."""
        return tuple(self._kept)

    def watch(self, callback: Callable[[Line], None]) -> Callable[[], None]:
        """Called with each new line, in the thread that logged it; returns a function that stops it."""
        self._watchers.append(callback)

        def stop() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return stop
