"""Log lines on stderr: time, level, event and its values; in colour on a terminal.

Standard logging and structlog come out alike, so that libraries and packs need not know of either.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
)
CHATTY = ("aiohttp.access", "asyncio", "PIL", "urllib3", "filelock")
"""Loggers that are heard from WARNING on, unless everything is wanted."""


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line of this level (`DEBUG` ... `CRITICAL`) and above to stderr. Call it once a process."""
    stream = stream or sys.stderr
    colours = stream.isatty()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0, exception_formatter=_plain),
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else "WARNING")
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _plain(stream: TextIO, error: object) -> None:
    structlog.dev.plain_traceback(stream, error)  # type: ignore[arg-type]
