"""Log lines on stderr: time, level, event and its values; in colour on a terminal, or each as a JSON object.

Standard logging and structlog come out alike, so that libraries and packs need not know of either. A line that is
logged while a run is at hand (`context.in_run`) carries its id, in the server and in its hosts alike.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from .context import RUN
from .marks import MarkedStream, log_line

HUMAN, JSON, HOST = "human", "json", "host"
"""The forms of lines; the last is for the server that started this process."""
CHATTY = ("aiohttp.access", "asyncio", "PIL", "urllib3", "filelock")
"""Loggers that are heard from WARNING on, unless everything is wanted."""
SAID = ("run", "host", "status", "seconds", "node", "node_type")
"""Values that are often in the text as well."""

Event = MutableMapping[str, Any]


def configure(level: str = "INFO", stream: TextIO | None = None, form: str = HUMAN) -> None:
    """Send every log line of this level (`DEBUG` ... `CRITICAL`) and above to stderr. Call it once a process."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_rays,
        _with_run,
        *([] if form == HUMAN else [structlog.stdlib.add_logger_name]),
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        if form == HUMAN
        else structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form, stream)],
    )
    handler = _WholeLines(stream) if form == HOST else logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else "WARNING")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _rendering(form: str, stream: TextIO) -> list[Any]:
    """The last processors."""
    if form == HUMAN:
        console = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, exception_formatter=_plain)
        return [_once, console]
    traceback = structlog.processors.format_exc_info
    if form == HOST:
        return [traceback, lambda logger, name, event: log_line(event)]
    return [traceback, _ordered, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def _with_run(logger: object, name: str, event: Event) -> Event:
    run = RUN.get()
    if run:
        event.setdefault("run", run)
    return event


def _once(logger: object, name: str, event: Event) -> Event:
    """What the text says already need not be said again."""
    text = str(event.get("event", ""))
    for key in SAID:
        if str(event.get(key, "")) in text:
            event.pop(key, None)
    return event


def _ordered(logger: object, name: str, event: Event) -> Event:
    first = {key: event.pop(key) for key in ("time", "level", "logger", "event", "run") if key in event}
    return {**first, **event}


class _WholeLines(logging.StreamHandler[TextIO]):
    """Writes each log line as a line of its own, whatever was printed before it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            if isinstance(self.stream, MarkedStream):
                self.stream.write_line(line)
            else:
                self.stream.write(f"{line}\n")
            self.flush()
        except Exception:
            self.handleError(record)


def _plain(stream: TextIO, error: object) -> None:
    structlog.dev.plain_traceback(stream, error)  # type: ignore[arg-type]


def _without_rays(logger: object, method: str, event: Event) -> Event:
    """Ray adds a time of its own to every line of its processes."""
    del logger, method
    event.pop("_ray_timestamp_ns", None)
    return event
