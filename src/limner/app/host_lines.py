"""What hosts print, as log lines of this process: with the level, the run and the host that are known.

A host has the log level of the server, and packs may set another for loggers of their own: what it tells is meant to be
heard, and is not judged by its level again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from limner.telemetry import marks

log = logging.getLogger("limner.host")

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "run", "host", "exception"}
"""Names that a log record has for itself."""


def logged(host: str, at_work: Callable[[], str] = lambda: "") -> Callable[[str], None]:
    """Logs a line of the host of this name (empty for the shared one).

    `at_work` names the run that the host works for, if there is one alone: what it prints in a thread that does not
    know its run is of that one.
    """
    prefix = f"{host}: " if host else ""

    def line(text: str) -> None:
        said = marks.read(text)
        run = said.run or at_work()
        extra = {key: value for key, value in said.values.items() if key not in RESERVED}
        known = {"run": run, "host": host, "exception": said.exception}
        logger = logging.getLogger(said.logger) if said.logger else log
        extra |= {key: value for key, value in known.items() if value}
        record = logger.makeRecord(logger.name, said.level, "", 0, "%s%s", (prefix, said.text), None, extra=extra)
        logger.handle(record)

    return line
